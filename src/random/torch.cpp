// torch.randn on the CPU, bit for bit, as PyTorch 2 computes it.
//
// The engine is MT19937. From 16 elements on: 24-bit uniforms fill the tensor in order, then blocks of 16 turn them into
// normals in place (u1 in the first eight, u2 in the last), with the polynomials of avx_mathfun in float32; a last part of
// a block is drawn afresh over the last 16 elements. Below 16 elements: 53-bit uniforms, double arithmetic, and a cached
// second value that lives on in the generator. Variant c takes the C library's float functions instead of the polynomials.
#include "random/torch_generator.hpp"

#include <bit>
#include <cmath>
#include <utility>

#include "eddy/error.hpp"

namespace eddy::inline v0_1 {

namespace {

float log_a(float x) {
  std::uint32_t bits = std::bit_cast<std::uint32_t>(x);
  float e = static_cast<float>(static_cast<int>(bits >> 23) - 126);
  float m = std::bit_cast<float>((bits & 0x007fffffu) | 0x3f000000u);  // in [0.5, 1)
  const bool low = m < 0.707106781186547524f;
  const float t = m;
  m = m - 1.0f;
  if (low) {
    e -= 1.0f;
    m = m + t;
  }
  const float z = m * m;
  float y = 7.0376836292e-2f;
  for (const float c : {-1.1514610310e-1f, 1.1676998740e-1f, -1.2420140846e-1f, 1.4249322787e-1f, -1.6668057665e-1f,
                        2.0000714765e-1f, -2.4999993993e-1f, 3.3333331174e-1f}) {
    y = std::fma(y, m, c);
  }
  y = y * m;
  y = std::fma(y, z, e * -2.12194440e-4f);
  y = std::fma(-z, 0.5f, y);
  m = m + y;
  return std::fma(e, 0.693359375f, m);
}

struct Pair {
  float sin, cos;
};

Pair sincos_a(float t) {
  const int j = (static_cast<int>(t * 1.27323954473516f) + 1) & ~1;
  const float y = static_cast<float>(j);
  float x = std::fma(y, -0.78515625f, t);
  x = std::fma(y, -2.4187564849853515625e-4f, x);
  x = std::fma(y, -3.77489497744594108e-8f, x);
  const float z = x * x;
  float c = std::fma(std::fma(2.443315711809948e-5f, z, -1.388731625493765e-3f), z, 4.166664568298827e-2f);
  c = c * z;
  c = std::fma(c, z, -(z * 0.5f));
  c = c + 1.0f;
  float s = std::fma(std::fma(-1.9515295891e-4f, z, 8.3321608736e-3f), z, -1.6666654611e-1f);
  s = s * z;
  s = std::fma(s, x, x);
  if (j & 2) std::swap(s, c);
  if (j & 4) s = -s;
  if (((j - 2) & 4) == 0) c = -c;
  return {s, c};
}

}  // namespace

void TorchGenerator::State::transform_block(float* d) const {
  for (int j = 0; j < 8; ++j) {
    const float u1 = 1.0f - d[j], u2 = d[j + 8];
    if (variant == TorchVariant::a) {
      const float r = std::sqrt(-2.0f * log_a(u1));
      const Pair turn = sincos_a(6.2831855f * u2);
      d[j] = r * turn.cos;
      d[j + 8] = r * turn.sin;
    } else {
      // A correctly rounded logf, cosf and sinf, whatever the C library's own do.
      const float r = std::sqrt(-2.0f * static_cast<float>(std::log(static_cast<double>(u1))));
      const double t = static_cast<double>(static_cast<float>(6.283185307179586 * static_cast<double>(u2)));
      d[j] = r * static_cast<float>(std::cos(t));
      d[j + 8] = r * static_cast<float>(std::sin(t));
    }
  }
}

float TorchGenerator::State::small_normal() {
  if (cached) {
    const double value = *cached;
    cached.reset();
    return static_cast<float>(value);
  }
  const double u1 = uniform53(), u2 = uniform53();
  const double r = std::sqrt(-2 * std::log1p(-u2)), t = 2 * 3.14159265358979323846 * u1;
  cached = r * std::sin(t);
  return static_cast<float>(r * std::cos(t));
}

void TorchGenerator::State::randn(std::span<float> out) {
  const std::size_t n = out.size();
  if (n < 16) {
    for (float& x : out) x = small_normal();
    return;
  }
  for (float& x : out) x = uniform24();
  for (std::size_t i = 0; i + 16 <= n; i += 16) transform_block(out.data() + i);
  if (n % 16 != 0) {
    for (std::size_t i = n - 16; i < n; ++i) out[i] = uniform24();
    transform_block(out.data() + n - 16);
  }
}

std::int64_t TorchGenerator::State::randint(std::int64_t low, std::int64_t high) {
  const std::uint64_t range = static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low);
  // 64 bits from 2^28 on, as PyTorch 2.13 has it; older ones from 2^32 on.
  const std::uint64_t bits = range >= (std::uint64_t{1} << 28) ? bits64() : engine();
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(low) + bits % range);
}

TorchGenerator::TorchGenerator(std::uint64_t seed, TorchVariant variant)
    : state_(std::make_shared<State>(seed, variant)) {}

void TorchGenerator::randn(std::span<float> out) { state_->randn(out); }

std::int64_t TorchGenerator::randint(std::int64_t low, std::int64_t high) {
  if (high <= low) throw Error("randint: high must be above low");
  return state_->randint(low, high);
}

std::vector<std::int64_t> TorchGenerator::randperm(std::int64_t n) {
  if (n < 0 || n >= (std::int64_t{1} << 32) / 20) throw Error("randperm: n must be in [0, 2^32 / 20)");
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::int64_t>(i);
  for (std::size_t i = 0; i + 1 < order.size(); ++i) {
    std::swap(order[i], order[i + state_->engine() % (order.size() - i)]);
  }
  return order;
}

}  // namespace eddy::inline v0_1
