// Operations on tensors, each with its derivative. Images are (N, H, W, C), tokens (N, L, C).
//
// Every function throws Error, naming itself, when a shape, element type or Context does not fit. Arguments named like
// `x2`, `bias` may be empty tensors: absent. Weights of linear, conv2d and embedding may be f16 or bf16.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "eddy/autograd.hpp"
#include "eddy/tensor.hpp"

namespace eddy::inline v0_1 {

// ---- elementwise -------------------------------------------------------------------------------------------------

enum class Activation { none, silu, relu, gelu, gelu_tanh, quick_gelu, tanh, sigmoid, mish };

EDDY_API Tensor activate(const Tensor& x, Activation activation);
EDDY_API Tensor silu(const Tensor& x);

// Equal shapes; or b is one sample of a (extent 1 where a has N), or one value a sample, (N) or (N, 1, ..), or a scalar.
EDDY_API Tensor add(const Tensor& a, const Tensor& b);
EDDY_API Tensor sub(const Tensor& a, const Tensor& b);
EDDY_API Tensor mul(const Tensor& a, const Tensor& b);
EDDY_API Tensor div(const Tensor& a, const Tensor& b);
// x * factor + offset.
EDDY_API Tensor affine(const Tensor& x, double factor, double offset = 0);
// a x + b y with one pair of coefficients, or one a sample (x, y: (N, ...), a, b: N values); y may be empty (b is then
// ignored). Each coefficient is rounded to float32 once.
EDDY_API Tensor combine(double a, const Tensor& x, double b, const Tensor& y);
EDDY_API Tensor combine(std::span<const double> a, const Tensor& x, std::span<const double> b, const Tensor& y);
// Limits every element to [low, high]; derivative 0 outside.
EDDY_API Tensor clamp(const Tensor& x, double low, double high);
EDDY_API Tensor exp(const Tensor& x);
EDDY_API Tensor square(const Tensor& x);

inline Tensor operator+(const Tensor& a, const Tensor& b) { return add(a, b); }
inline Tensor operator-(const Tensor& a, const Tensor& b) { return sub(a, b); }
inline Tensor operator*(const Tensor& a, const Tensor& b) { return mul(a, b); }
inline Tensor operator/(const Tensor& a, const Tensor& b) { return div(a, b); }
inline Tensor operator*(double a, const Tensor& b) { return affine(b, a); }
inline Tensor operator*(const Tensor& a, double b) { return affine(a, b); }

// ---- shape -------------------------------------------------------------------------------------------------------

// The same elements with other extents.
EDDY_API Tensor reshape(const Tensor& x, const Shape& shape);
// Extents [first, first + count) of the innermost extent: (..., C) -> (..., count).
EDDY_API Tensor slice(const Tensor& x, std::int64_t first, std::int64_t count);
// Joins along the innermost extent.
EDDY_API Tensor concat(const Tensor& a, const Tensor& b);
// (N, H, W, C) <-> (N, C, H, W): for files and for people; networks never need it.
EDDY_API Tensor to_nchw(const Tensor& x);
EDDY_API Tensor to_nhwc(const Tensor& x);

// ---- sums --------------------------------------------------------------------------------------------------------

EDDY_API Tensor sum(const Tensor& x);             // -> scalar; accumulated in double, fixed order
EDDY_API Tensor mean(const Tensor& x);            // -> scalar
EDDY_API Tensor mean_per_sample(const Tensor& x);  // (N, ...) -> (N)
// Weighted mean squared error a sample: w_n mean((a_n - b_n)^2), (N, ...) -> (N). An empty weight is 1.
EDDY_API Tensor mse_per_sample(const Tensor& a, const Tensor& b, const Tensor& weight = {});

// ---- layers ------------------------------------------------------------------------------------------------------

// y = x W^T + bias. x: (..., I), weight: (O, I), bias: (O) -> (..., O). residual, of y's shape, is added in the same
// pass.
EDDY_API Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {}, const Tensor& residual = {});

struct Conv2dOptions {
  int stride = 1;
  int pad_top = 0, pad_left = 0, pad_bottom = 0, pad_right = 0;  // zeros
};

// x: (N, H, W, C), weight: (O, C + C2, kh, kw) as in files, bias: (O) -> (N, OH, OW, O).
// x2: (N, H, W, C2), read as if joined to x along the channels; 1x1 kernels only (a shortcut over a skip connection).
// sample_bias: (N, O), added to every pixel of its sample (the time embedding). residual: of the output's shape.
EDDY_API Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Conv2dOptions& options = {},
                       const Tensor& x2 = {}, const Tensor& sample_bias = {}, const Tensor& residual = {});

// Nearest neighbour to (height, width); source index floor(i * (H / height)) in float32, as torch has it.
EDDY_API Tensor upsample_nearest(const Tensor& x, std::int64_t height, std::int64_t width);
// Mean of 2 x 2 blocks, a last odd row or column left out (torch's AvgPool2d(2)).
EDDY_API Tensor avg_pool2(const Tensor& x);

enum class FirBorder { zeros, reflect };  // what lies outside of a picture

// Half and twice the size through the filter (1, 3, 3, 1) along both axes [Song2020, H]. A constant stays, but for a border
// of zeros. (N, H, W, C) -> (N, H / 2, W / 2, C), rounded down; H and W are at least 2.
EDDY_API Tensor fir_downsample(const Tensor& x, FirBorder border = FirBorder::zeros);
// (N, H, W, C) -> (N, height, width, C); height is 2 H or 2 H + 1, width alike. To reflect, H and W are at least 2.
EDDY_API Tensor fir_upsample(const Tensor& x, std::int64_t height, std::int64_t width, FirBorder border = FirBorder::zeros);

struct GroupNormOptions {
  int groups = 32;
  double eps = 1e-5;
  Activation activation = Activation::none;  // applied last; none or silu
};

// Group norm over (H, W, C / groups) of x (N, H, W, C) joined with x2 (N, H, W, C2) along the channels (a group may
// straddle the seam), times gamma plus beta (C + C2), then y (1 + scale) + shift with scale, shift: (N, C + C2), then
// the activation. x may be (N, L, C).
EDDY_API Tensor group_norm(const Tensor& x, const Tensor& gamma, const Tensor& beta, const GroupNormOptions& options,
                           const Tensor& x2 = {}, const Tensor& scale = {}, const Tensor& shift = {});

// group_norm's arguments, which stand for its output where nothing else reads that.
struct GroupNormed {
  Tensor x, gamma, beta;
  GroupNormOptions options;
  Tensor x2, scale, shift;
};
EDDY_API Tensor group_norm(const GroupNormed& norm);

// conv2d(group_norm(x), ...) in one operation, with the same bytes: sooner where pictures are so small that a thread keeps the
// norm's output of some in its cache. Gradients of what other operations read too may be added up in another order.
EDDY_API Tensor conv2d(const GroupNormed& x, const Tensor& weight, const Tensor& bias, const Conv2dOptions& options = {},
                       const Tensor& sample_bias = {}, const Tensor& residual = {});

struct AttentionOptions {
  int heads = 1;
  int kv_heads = 0;   // 0: as many as heads
  double scale = 0;   // 0: 1 / sqrt(d)
  bool causal = false;
};

// softmax(q k^T scale + bias) v for each head. q: (N, Lq, heads d), k, v: (N, Lk, kv_heads d) -> (N, Lq, heads d).
// key_mask: (N, Lk), 0 hides a key. bias: (N|1, heads|1, Lq|1, Lk). The full score matrix is never stored.
EDDY_API Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& options,
                          const Tensor& key_mask = {}, const Tensor& bias = {});

// Rows of weight (K, C): indices i64 (N) or (N, L) -> (N, C) or (N, L, C). Throws Error when one is out of [0, K).
EDDY_API Tensor embedding(const Tensor& indices, const Tensor& weight);

// Zeroes elements with probability p and scales the others by 1 / (1 - p), keyed by the DropoutScope, `path` and the
// element; the identity when there is no scope or p is 0.
EDDY_API Tensor dropout(const Tensor& x, double p, std::string_view path);

struct TimestepEmbeddingOptions {
  int channels = 128;
  bool flip_sin_to_cos = true;  // [cos, sin] instead of [sin, cos]
  double freq_shift = 0;        // frequency i: exp(-ln(max_period) i / (channels / 2 - freq_shift))
  double max_period = 10000;
};

// Sinusoids of t (N) -> (N, channels), a last zero when channels is odd; differentiable in t. [Vaswani2017, 3.5] in the
// forms of DDPM (freq_shift 1, [sin, cos]) and of guided-diffusion (0, [cos, sin]).
EDDY_API Tensor timestep_embedding(const Tensor& t, const TimestepEmbeddingOptions& options);

// Random Fourier features [sin, cos] of 2 pi weight ln t: t (N), positive, weight (C) -> (N, 2 C); differentiable in both
// [Song2020, H].
EDDY_API Tensor fourier_embedding(const Tensor& t, const Tensor& weight);

}  // namespace eddy::inline v0_1
