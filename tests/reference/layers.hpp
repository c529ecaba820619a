// Linear, convolution, resampling, norm, attention and embeddings, once more, by their definitions.
#pragma once

#include <algorithm>

#include "reference/elementwise.hpp"

namespace eddy::test {

inline Array linear(const Array& x, const Array& w, const Array& bias, const Array& residual) {
  std::vector<std::int64_t> shape = x.shape;
  shape.back() = w.extent(0);
  Array y(shape);
  const std::int64_t in = w.extent(1), out = w.extent(0);
  for (std::int64_t r = 0; r < x.elements() / in; ++r) {
    for (std::int64_t o = 0; o < out; ++o) {
      Dual sum = bias.given() ? bias[o] : Dual(0);
      for (std::int64_t i = 0; i < in; ++i) sum += x[r * in + i] * w(o, i);
      y[r * out + o] = residual.given() ? sum + residual[r * out + o] : sum;
    }
  }
  return y;
}

// Joined along the innermost extent.
inline Array joined(const Array& a, const Array& b) {
  if (!b.given()) return a;
  std::vector<std::int64_t> shape = a.shape;
  const std::int64_t ca = a.extent(-1), cb = b.extent(-1), c = ca + cb;
  shape.back() = c;
  Array y(shape);
  for (std::int64_t i = 0; i < y.elements(); ++i) {
    const std::int64_t row = i / c, column = i % c;
    y[i] = column < ca ? a[row * ca + column] : b[row * cb + column - ca];
  }
  return y;
}

inline Array conv2d(const Array& x, const Array& w, const Array& bias, const Conv2dOptions& o, const Array& sample_bias,
                    const Array& residual) {
  const std::int64_t n = x.extent(0), h = x.extent(1), wide = x.extent(2), in = x.extent(3), out = w.extent(0);
  const std::int64_t kh = w.extent(2), kw = w.extent(3);
  Array y({n, (h + o.pad_top + o.pad_bottom - kh) / o.stride + 1, (wide + o.pad_left + o.pad_right - kw) / o.stride + 1, out});
  for (std::int64_t s = 0; s < n; ++s)
    for (std::int64_t i = 0; i < y.extent(1); ++i)
      for (std::int64_t j = 0; j < y.extent(2); ++j)
        for (std::int64_t k = 0; k < out; ++k) {
          Dual sum = bias.given() ? bias[k] : Dual(0);
          if (sample_bias.given()) sum += sample_bias(s, k);
          for (std::int64_t a = 0; a < kh; ++a)
            for (std::int64_t b = 0; b < kw; ++b) {
              const std::int64_t row = i * o.stride + a - o.pad_top, column = j * o.stride + b - o.pad_left;
              if (row < 0 || row >= h || column < 0 || column >= wide) continue;
              for (std::int64_t c = 0; c < in; ++c) sum += x(s, row, column, c) * w(k, c, a, b);
            }
          if (residual.given()) sum += residual(s, i, j, k);
          y(s, i, j, k) = sum;
        }
  return y;
}

// torch's index: a scale in float32, but for twice the size.
inline std::int64_t nearest_source(std::int64_t i, std::int64_t from, std::int64_t to) {
  if (to == 2 * from) return i / 2;
  const float scale = static_cast<float>(from) / static_cast<float>(to);
  return std::min(static_cast<std::int64_t>(static_cast<float>(i) * scale), from - 1);
}

inline Array upsample_nearest(const Array& x, std::int64_t height, std::int64_t width) {
  Array y({x.extent(0), height, width, x.extent(3)});
  for (std::int64_t s = 0; s < y.extent(0); ++s)
    for (std::int64_t i = 0; i < height; ++i)
      for (std::int64_t j = 0; j < width; ++j)
        for (std::int64_t c = 0; c < y.extent(3); ++c) {
          y(s, i, j, c) = x(s, nearest_source(i, x.extent(1), height), nearest_source(j, x.extent(2), width), c);
        }
  return y;
}

inline Array avg_pool2(const Array& x) {
  Array y({x.extent(0), x.extent(1) / 2, x.extent(2) / 2, x.extent(3)});
  for (std::int64_t s = 0; s < y.extent(0); ++s)
    for (std::int64_t i = 0; i < y.extent(1); ++i)
      for (std::int64_t j = 0; j < y.extent(2); ++j)
        for (std::int64_t c = 0; c < y.extent(3); ++c) {
          y(s, i, j, c) = Dual(0.25) * (x(s, 2 * i, 2 * j, c) + x(s, 2 * i, 2 * j + 1, c) + x(s, 2 * i + 1, 2 * j, c) +
                                        x(s, 2 * i + 1, 2 * j + 1, c));
        }
  return y;
}

// Along one axis, by the definition of upfirdn: the input with zeros between (up) and around it or mirrored, times the filter,
// every second one taken (down). axis: 1 or 2 of (N, H, W, C).
inline Array fir_along(const Array& x, int axis, std::int64_t to, FirBorder border) {
  const double w[] = {1.0 / 8, 3.0 / 8, 3.0 / 8, 1.0 / 8};
  std::vector<std::int64_t> shape = x.shape;
  const std::int64_t from = shape[static_cast<std::size_t>(axis)];
  shape[static_cast<std::size_t>(axis)] = to;
  Array y(shape);
  const bool down = to < from;
  const auto at = [&](std::int64_t i) { return i < 0 ? -i : i >= from ? 2 * (from - 1) - i : i; };
  for (std::int64_t n = 0; n < y.extent(0); ++n)
    for (std::int64_t i = 0; i < y.extent(1); ++i)
      for (std::int64_t j = 0; j < y.extent(2); ++j)
        for (std::int64_t c = 0; c < y.extent(3); ++c) {
          const std::int64_t out = axis == 1 ? i : j;
          Dual sum;
          for (std::int64_t k = 0; k < 4; ++k) {
            std::int64_t source = down ? 2 * out + k - 1 : out + k - 2;
            if (!down && source % 2 != 0) continue;  // a zero between
            if (!down) source /= 2;
            const bool outside = source < 0 || source >= from;
            if (outside && border == FirBorder::zeros) continue;
            const std::int64_t s = at(source);
            sum += Dual(down ? w[k] : 2 * w[k]) * (axis == 1 ? x(n, s, j, c) : x(n, i, s, c));
          }
          y(n, i, j, c) = sum;
        }
  return y;
}

inline Array fir_resample(const Array& x, std::int64_t height, std::int64_t width, FirBorder border) {
  return fir_along(fir_along(x, 2, width, border), 1, height, border);
}

inline Array group_norm(const Array& x, const Array& gamma, const Array& beta, const GroupNormOptions& o, const Array& scale,
                        const Array& shift) {
  Array y(x.shape);
  const std::int64_t n = x.extent(0), channels = x.extent(-1), pixels = x.elements() / (n * channels);
  const std::int64_t width = channels / o.groups;
  for (std::int64_t s = 0; s < n; ++s) {
    for (int group = 0; group < o.groups; ++group) {
      const auto each = [&](const auto& f) {
        for (std::int64_t p = 0; p < pixels; ++p)
          for (std::int64_t c = group * width; c < (group + 1) * width; ++c) f((s * pixels + p) * channels + c, c);
      };
      const Dual part(1.0 / static_cast<double>(pixels * width));
      Dual mean, variance;
      each([&](std::int64_t i, std::int64_t) { mean += x[i] * part; });
      each([&](std::int64_t i, std::int64_t) { variance += (x[i] - mean) * (x[i] - mean) * part; });
      const Dual inverse = Dual(1) / sqrt(variance + Dual(o.eps));
      each([&](std::int64_t i, std::int64_t c) {
        Dual v = (x[i] - mean) * inverse * gamma[c] + beta[c];
        if (scale.given()) v = v * (Dual(1) + scale(s, c)) + shift(s, c);
        y[i] = activate(v, o.activation);
      });
    }
  }
  return y;
}

inline Array attention(const Array& q, const Array& k, const Array& v, const AttentionOptions& o, const Array& mask,
                       const Array& bias) {
  Array y(q.shape);
  const std::int64_t keys = k.extent(1), d = q.extent(2) / o.heads, kv_heads = o.kv_heads > 0 ? o.kv_heads : o.heads;
  const double scale = o.scale != 0 ? o.scale : 1 / std::sqrt(static_cast<double>(d));
  const auto biased = [&](std::int64_t s, std::int64_t h, std::int64_t i, std::int64_t j) {
    return bias(bias.extent(0) == 1 ? 0 : s, bias.extent(1) == 1 ? 0 : h, bias.extent(2) == 1 ? 0 : i, j);
  };
  for (std::int64_t s = 0; s < q.extent(0); ++s)
    for (std::int64_t h = 0; h < o.heads; ++h)
      for (std::int64_t i = 0; i < q.extent(1); ++i) {
        const std::int64_t from = h / (o.heads / kv_heads) * d;
        std::vector<Dual> weight(static_cast<std::size_t>(keys));
        Dual total;
        for (std::int64_t j = 0; j < keys; ++j) {
          if ((mask.given() && mask(s, j).value == 0) || (o.causal && j > i)) continue;
          Dual score;
          for (std::int64_t c = 0; c < d; ++c) score += q(s, i, h * d + c) * k(s, j, from + c);
          score = score * Dual(scale);
          if (bias.given()) score += biased(s, h, i, j);
          weight[static_cast<std::size_t>(j)] = exp(score);
          total += weight[static_cast<std::size_t>(j)];
        }
        for (std::int64_t c = 0; c < d; ++c) {
          Dual sum;
          for (std::int64_t j = 0; j < keys; ++j) {
            const Dual& w = weight[static_cast<std::size_t>(j)];
            if (w.value > 0) sum += w / total * v(s, j, from + c);
          }
          y(s, i, h * d + c) = sum;
        }
      }
  return y;
}

inline Array embedding(const Array& indices, const Array& table) {
  std::vector<std::int64_t> shape = indices.shape;
  shape.push_back(table.extent(1));
  Array y(shape);
  for (std::int64_t i = 0; i < y.elements(); ++i) {
    y[i] = table(static_cast<std::int64_t>(indices[i / table.extent(1)].value), i % table.extent(1));
  }
  return y;
}

inline Array timestep_embedding(const Array& t, const TimestepEmbeddingOptions& o) {
  Array y({t.extent(0), o.channels});
  const int half = o.channels / 2;
  for (std::int64_t n = 0; n < t.extent(0); ++n) {
    for (int i = 0; i < half; ++i) {
      const Dual frequency = exp(Dual(-std::log(o.max_period) * i / (half - o.freq_shift)));
      const Dual angle = t[n] * frequency;
      y(n, o.flip_sin_to_cos ? half + i : i) = sin(angle);
      y(n, o.flip_sin_to_cos ? i : half + i) = cos(angle);
    }
  }
  return y;
}

inline Array fourier_embedding(const Array& t, const Array& w) {
  const std::int64_t channels = w.extent(0);
  Array y({t.extent(0), 2 * channels});
  for (std::int64_t n = 0; n < t.extent(0); ++n) {
    for (std::int64_t i = 0; i < channels; ++i) {
      const Dual angle = Dual(2 * 3.141592653589793) * w[i] * log(t[n]);
      y(n, i) = sin(angle);
      y(n, channels + i) = cos(angle);
    }
  }
  return y;
}

}  // namespace eddy::test
