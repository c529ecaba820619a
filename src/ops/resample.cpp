// Pictures to another size: nearest neighbour up (or anywhere), means of 2x2 blocks down.
//
//   up    y[i, j] = x[s(i), s(j)], s(i) = min(floor(i (H / height)), H - 1) in float32, as torch has it (at height = 2 H it is
//         i >> 1); its gradient sums over the copies
//   down  y[i, j] = mean of x[2i..2i+1, 2j..2j+1]; its gradient is a quarter to each of the four
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "ops/support.hpp"

namespace eddy::inline v0_1 {

namespace {

struct Picture {
  std::int64_t n, height, width, channels;
  explicit Picture(const Shape& s) : n(s[0]), height(s[1]), width(s[2]), channels(s[3]) {}
  std::int64_t at(std::int64_t sample, std::int64_t row, std::int64_t column) const {
    return ((sample * height + row) * width + column) * channels;
  }
};

// s(i) for every i below `to`.
std::vector<std::int64_t> sources(std::int64_t from, std::int64_t to) {
  std::vector<std::int64_t> result(static_cast<std::size_t>(to));
  const float scale = static_cast<float>(from) / static_cast<float>(to);
  for (std::int64_t i = 0; i < to; ++i) {
    const auto scaled = static_cast<std::int64_t>(std::floor(static_cast<float>(i) * scale));
    result[static_cast<std::size_t>(i)] = to == 2 * from ? i >> 1 : std::min(scaled, from - 1);
  }
  return result;
}

// f(sample) for every sample on the threads.
template <class F>
void for_samples(const Context& context, std::int64_t n, const F& f) {
  context.threads().run_tiles(
      n, [](void* argument, std::int64_t sample, int) { (*static_cast<const F*>(argument))(sample); },
      const_cast<void*>(static_cast<const void*>(&f)));
}

Tensor upsampled(Call& call) {
  call.keep_input(0);
  const Tensor x = call.input(0);
  const Shape& shape = call.attributes<Shape>();
  Tensor y = make(shape, x.context());
  const Picture from(x.shape()), to(shape);
  const float* in = data(x);
  float* out = write(y);
  const auto rows = sources(from.height, to.height), columns = sources(from.width, to.width);
  const auto row_bytes = static_cast<std::size_t>(from.channels) * sizeof(float);
  for_samples(x.context(), to.n, [&](std::int64_t sample) {
    for (std::int64_t i = 0; i < to.height; ++i) {
      for (std::int64_t j = 0; j < to.width; ++j) {
        const std::int64_t row = rows[static_cast<std::size_t>(i)], column = columns[static_cast<std::size_t>(j)];
        std::memcpy(out + to.at(sample, i, j), in + from.at(sample, row, column), row_bytes);
      }
    }
  });
  return y;
}

void upsampled_vjp(Call& call, const Tensor& g, std::span<Tensor> result) {
  const Picture small(call.input_shape(0)), large(g.shape());
  result[0] = make(call.input_shape(0), g.context());
  const auto rows = sources(small.height, large.height), columns = sources(small.width, large.width);
  const float* in = data(g);
  float* out = write(result[0]);
  for_samples(g.context(), small.n, [&](std::int64_t sample) {
    std::fill_n(out + small.at(sample, 0, 0), small.height * small.width * small.channels, 0.0f);
    for (std::int64_t i = 0; i < large.height; ++i) {
      for (std::int64_t j = 0; j < large.width; ++j) {
        float* to = out + small.at(sample, rows[static_cast<std::size_t>(i)], columns[static_cast<std::size_t>(j)]);
        const float* from = in + large.at(sample, i, j);
        for (std::int64_t c = 0; c < small.channels; ++c) to[c] += from[c];
      }
    }
  });
}

constexpr Operation kUpsample{"upsample_nearest", upsampled, upsampled_vjp, nullptr, true};

Tensor pooled(Call& call) {
  const Tensor x = call.input(0);
  const Picture from(x.shape());
  Tensor y = make({from.n, from.height / 2, from.width / 2, from.channels}, x.context());
  const Picture to(y.shape());
  const float* in = data(x);
  float* out = write(y);
  for_samples(x.context(), to.n, [&](std::int64_t sample) {
    for (std::int64_t i = 0; i < to.height; ++i) {
      for (std::int64_t j = 0; j < to.width; ++j) {
        const float* a = in + from.at(sample, 2 * i, 2 * j);
        const float* b = in + from.at(sample, 2 * i + 1, 2 * j);
        float* o = out + to.at(sample, i, j);
        for (std::int64_t c = 0; c < to.channels; ++c) {
          o[c] = ((a[c] + a[c + to.channels]) + (b[c] + b[c + to.channels])) * 0.25f;
        }
      }
    }
  });
  return y;
}

void pooled_vjp(Call& call, const Tensor& g, std::span<Tensor> result) {
  result[0] = Tensor::zeros(call.input_shape(0), g.context());
  const Picture large(call.input_shape(0)), small(g.shape());
  const float* in = data(g);
  float* out = write(result[0]);
  for_samples(g.context(), small.n, [&](std::int64_t sample) {
    for (std::int64_t i = 0; i < 2 * small.height; ++i) {
      for (std::int64_t j = 0; j < 2 * small.width; ++j) {
        const float* from = in + small.at(sample, i / 2, j / 2);
        float* to = out + large.at(sample, i, j);
        for (std::int64_t c = 0; c < small.channels; ++c) to[c] = from[c] * 0.25f;
      }
    }
  });
}

constexpr Operation kPool{"avg_pool2", pooled, pooled_vjp};

void require_picture(const Tensor& x, const char* operation) {
  require_f32(x, operation, "x");
  require(x.rank() == 4, operation, [&] { return "x must be (N, H, W, C), got " + shape_of(x); });
}

}  // namespace

Tensor upsample_nearest(const Tensor& x, std::int64_t height, std::int64_t width) {
  require_picture(x, "upsample_nearest");
  require(height > 0 && width > 0 && x.extent(1) > 0 && x.extent(2) > 0, "upsample_nearest",
          [&] { return "needs pictures of at least one pixel, got " + shape_of(x); });
  return apply(kUpsample, {x}, attributes(Shape{x.extent(0), height, width, x.extent(3)}));
}

Tensor avg_pool2(const Tensor& x) {
  require_picture(x, "avg_pool2");
  return apply(kPool, {x});
}

}  // namespace eddy::inline v0_1
