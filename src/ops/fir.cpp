// Pictures to half and to twice the size through the filter (1, 3, 3, 1) along both axes, as the networks of score-based
// models resample [Song2020, H], after StyleGAN2; diffusers: FirDownsample2D, FirUpsample2D, and with reflected borders
// KDownsample2D, KUpsample2D. Along one axis:
//
//   down  y[i] = (x[2 i - 1] + 3 x[2 i] + 3 x[2 i + 1] + x[2 i + 2]) / 8
//   up    y[2 i] = (x[i - 1] + 3 x[i]) / 4,  y[2 i + 1] = (3 x[i] + x[i + 1]) / 4
//
// Both are linear: the derivative is the transposed table of taps. With zeros outside, up is twice the transpose of down.
#include <vector>

#include "ops/support.hpp"

namespace eddy::inline v0_1 {

namespace {

using Axis = std::vector<FirTaps>;  // one entry an output

// Adds weight to the tap at an input beside those that are there; 1, 3 and their sums are exact.
void add_tap(FirTaps& taps, std::int64_t at, float weight) {
  if (taps.count == 0) taps.first = at;
  for (; at < taps.first; --taps.first, ++taps.count) {
    std::copy_backward(taps.weight, taps.weight + taps.count, taps.weight + taps.count + 1);
    taps.weight[0] = 0;
  }
  taps.count = std::max(taps.count, static_cast<int>(at - taps.first) + 1);
  taps.weight[at - taps.first] += weight;
}

Axis axis_of(std::int64_t from, std::int64_t to, FirBorder border) {
  Axis axis(static_cast<std::size_t>(to));
  const bool down = to < from;
  for (std::int64_t i = 0; i < to; ++i) {
    const auto take = [&](std::int64_t at, float weight) {
      const bool outside = at < 0 || at >= from;
      if (outside && border == FirBorder::zeros) return;
      if (outside) at = at < 0 ? -at : 2 * (from - 1) - at;
      add_tap(axis[static_cast<std::size_t>(i)], at, weight);
    };
    if (down) {
      constexpr float w[] = {0.125f, 0.375f, 0.375f, 0.125f};
      for (int k = 0; k < 4; ++k) take(2 * i + k - 1, w[k]);
    } else {
      take(i / 2, 0.75f);
      take(i % 2 == 0 ? i / 2 - 1 : i / 2 + 1, 0.25f);
    }
  }
  return axis;
}

Axis transposed(const Axis& axis, std::int64_t from) {
  Axis result(static_cast<std::size_t>(from));
  for (std::size_t i = 0; i < axis.size(); ++i) {
    for (int k = 0; k < axis[i].count; ++k) {
      add_tap(result[static_cast<std::size_t>(axis[i].first + k)], static_cast<std::int64_t>(i), axis[i].weight[k]);
    }
  }
  return result;
}

// y of the shape `to`; the tables are those of y's axes.
Tensor filtered(const Tensor& x, const Shape& to, const Axis& rows, const Axis& columns) {
  Tensor y = make(to, x.context());
  const FirShape shape{to[0], x.extent(1), x.extent(2), to[1], to[2], to[3]};
  x.context().kernels().fir.apply(launch_of(x.context()), shape, rows.data(), columns.data(), data(x), write(y));
  return y;
}

struct Resampling {
  Shape to;
  FirBorder border;
};

Tensor forward(const Tensor& x, const Resampling& r) {
  return filtered(x, r.to, axis_of(x.extent(1), r.to[1], r.border), axis_of(x.extent(2), r.to[2], r.border));
}

constexpr Operation kFir{
    "fir_resample",
    [](Call& call) { return forward(call.input(0), call.attributes<Resampling>()); },
    [](Call& call, const Tensor& g, std::span<Tensor> result) {
      const Shape& from = call.input_shape(0);
      const FirBorder border = call.attributes<Resampling>().border;
      const auto back = [&](int axis) { return transposed(axis_of(from[axis], g.extent(axis), border), from[axis]); };
      result[0] = filtered(g, from, back(1), back(2));
    },
    [](Call& call, std::span<const Tensor> t) { return forward(t[0], call.attributes<Resampling>()); }};

void require_picture(const Tensor& x, std::int64_t least, const char* operation) {
  require_f32(x, operation, "x");
  require(x.rank() == 4 && x.extent(1) >= least && x.extent(2) >= least, operation, [&] {
    return "x must be (N, H, W, C) with H and W at least " + std::to_string(least) + ", got " + shape_of(x);
  });
}

}  // namespace

Tensor fir_downsample(const Tensor& x, FirBorder border) {
  require_picture(x, 2, "fir_downsample");
  const Shape to{x.extent(0), x.extent(1) / 2, x.extent(2) / 2, x.extent(3)};
  return apply(kFir, {x}, attributes(Resampling{to, border}));
}

Tensor fir_upsample(const Tensor& x, std::int64_t height, std::int64_t width, FirBorder border) {
  require_picture(x, border == FirBorder::reflect ? 2 : 1, "fir_upsample");
  require(height / 2 == x.extent(1) && width / 2 == x.extent(2), "fir_upsample", [&] {
    return "the size must be twice that of x " + shape_of(x) + ", or one more, got " + std::to_string(height) + " x " +
           std::to_string(width);
  });
  return apply(kFir, {x}, attributes(Resampling{Shape{x.extent(0), height, width, x.extent(3)}, border}));
}

}  // namespace eddy::inline v0_1
