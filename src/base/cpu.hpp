// What the processor and the operating system allow.
#pragma once

#include <string>

#include "eddy/context.hpp"

namespace eddy::inline v0_1 {

// The CPU has the set and the operating system saves its registers.
bool cpu_has(Isa isa) noexcept;

// What products in other units than multiply-adds need of the CPU and the operating system.
struct ProductUnits {
  bool avx512 = false, avx512_bf16 = false, amx_bf16 = false, amx_int8 = false;
  bool tiles_saved = false;  // the system saves AMX's registers for a process that asks
};

ProductUnits product_units() noexcept;

// Asks the system for AMX's registers, for the whole process.
bool request_tiles() noexcept;

inline constexpr const char* kNoTiles = "the operating system does not let this process use AMX";

// The first thing that is missing for these products, as part of a message; empty when nothing is.
const char* missing(Products products, const ProductUnits& units) noexcept;

// CPUs that the quotas of this process's cgroup and of all above it leave, a large number when there are none. `list` is
// /proc/self/cgroup, `root` where the hierarchies are mounted.
double cgroup_cpus(const std::string& list, const std::string& root);

// Bytes that the limits of those cgroups leave, 1e18 when there are none.
double cgroup_memory(const std::string& list, const std::string& root);

// CPUs that affinity and the cgroups' quotas leave to this process; at least 1.
int usable_cpus();

}  // namespace eddy::inline v0_1
