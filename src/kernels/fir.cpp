// A filter along both axes of a picture:
//
//   y[i, j] = sum_a rows_i[a] sum_b columns_j[b] x[first_i + a, first_j + b]
//
// The sums run in this order whatever the place in the picture.
#include "kernels/fir.hpp"

#include "kernels/vec.hpp"

namespace eddy::inline v0_1::EDDY_ISA {
namespace {

void apply(const Launch& launch, const FirShape& s, const FirTaps* rows, const FirTaps* columns, const Real* x, Real* y) {
  parallel(launch, s.n * s.height, [&](std::int64_t tile, int) {
    const FirTaps& row = rows[tile % s.height];
    const Real* from = x + (tile / s.height * s.from_height + row.first) * s.from_width * s.channels;
    Real* to = y + tile * s.width * s.channels;
    for (std::int64_t j = 0; j < s.width; ++j, to += s.channels) {
      const FirTaps& column = columns[j];
      for (std::int64_t c = 0; c < s.channels; c += kWidth) {
        Vec sum = zero();
        for (int a = 0; a < row.count; ++a) {
          const Real* in = from + (a * s.from_width + column.first) * s.channels + c;
          Vec line = zero();
          for (int b = 0; b < column.count; ++b) {
            line = fma(fill(column.weight[b]), load_up_to(in + b * s.channels, s.channels - c), line);
          }
          sum = fma(fill(row.weight[a]), line, sum);
        }
        store_up_to(to + c, sum, s.channels - c);
      }
    }
  });
}

}  // namespace

extern const FirKernels fir_kernels;
const FirKernels fir_kernels{apply};

}  // namespace eddy::inline v0_1::EDDY_ISA
