// What the processor and the operating system allow.
#pragma once

#include "eddy/context.hpp"

namespace eddy::inline v0_1 {

// The CPU has the set and the operating system saves its registers.
bool cpu_has(Isa isa) noexcept;

// What bfloat16 products need of the CPU and the operating system.
struct ProductUnits {
  bool avx512 = false, avx512_bf16 = false, amx_bf16 = false;
  bool tiles_saved = false;  // the system lets this process use AMX's registers
};

// Asks the system for AMX's registers where the CPU has them.
ProductUnits product_units() noexcept;

// The first thing that is missing for these products, as part of a message; empty when nothing is.
const char* missing(Products products, const ProductUnits& units) noexcept;

// CPUs that affinity and the cgroup's quota leave to this process; at least 1.
int usable_cpus();

}  // namespace eddy::inline v0_1
