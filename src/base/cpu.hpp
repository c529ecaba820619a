// What the processor and the operating system allow.
#pragma once

#include "eddy/context.hpp"

namespace eddy::inline v0_1 {

// The CPU has the set and the operating system saves its registers.
bool cpu_has(Isa isa) noexcept;

// CPUs that affinity and the cgroup's quota leave to this process; at least 1.
int usable_cpus();

}  // namespace eddy::inline v0_1
