// The instruction sets that this build has kernels of and this CPU can run.
#pragma once

#include <algorithm>
#include <vector>

#include "kernels/table.hpp"

namespace eddy::test {

// Each table of kernels under one name: on arm64 baseline is neon.
inline std::vector<Isa> instruction_sets() {
  std::vector<Isa> result;
  for (const Isa isa : {Isa::neon, Isa::baseline, Isa::avx2, Isa::avx512, Isa::amx}) {
    const auto same = [&](Isa other) { return kernel_table(other) == kernel_table(isa); };
    if (available(isa) && std::ranges::none_of(result, same)) result.push_back(isa);
  }
  return result;
}

}  // namespace eddy::test
