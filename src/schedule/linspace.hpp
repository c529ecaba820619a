// Even values as torch has them.
#pragma once

#include <vector>

namespace eddy::inline v0_1 {

// torch.linspace(first, last, n) in float32, n > 0: from both ends, each entry rounded once.
std::vector<float> float_linspace(int n, double first, double last);

}  // namespace eddy::inline v0_1
