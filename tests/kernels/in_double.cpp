#include "kernels/in_double.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/attention.hpp"
#include "kernels/group_norm.hpp"
#include "kernels/mse.hpp"
#include "ops/fourier_embedding.hpp"
#include "ops/timestep_embedding.hpp"

namespace eddy::inline v0_1::in_double {
extern const ActivationKernels<double> activation_kernels;
extern const AttentionKernels<double> attention_kernels;
extern const GroupNormKernels<double> group_norm_kernels;
extern const MseKernels<double> mse_kernels;
}  // namespace eddy::inline v0_1::in_double

namespace eddy::test {

namespace {

using Numbers = std::vector<double>;

const Launch kOneThread{[](void*, std::int64_t n, void (*function)(void*, std::int64_t, int), void* argument) {
                          for (std::int64_t tile = 0; tile < n; ++tile) function(argument, tile, 0);
                        },
                        nullptr, 1};

Numbers numbers(std::int64_t n) { return Numbers(static_cast<std::size_t>(n)); }

Numbers values(const Array& a) {
  Numbers result;
  for (const Dual& d : a.at) result.push_back(d.value);
  return result;
}

std::vector<Numbers> values(Arrays in) {
  std::vector<Numbers> result;
  for (const Array& a : in) result.push_back(values(a));
  return result;
}

double* data(Numbers& x) { return x.empty() ? nullptr : x.data(); }

}  // namespace

InDouble activate_in_double(Arrays in, ActivationKind kind, const Array& seed) {
  const auto& kernels = in_double::activation_kernels;
  const Numbers x = values(in[0]), dy = values(seed);
  InDouble r{Numbers(x.size()), {Numbers(x.size())}};
  kernels.forward(kOneThread, kind, in[0].elements(), x.data(), r.value.data());
  kernels.backward(kOneThread, kind, in[0].elements(), x.data(), dy.data(), r.gradients[0].data());
  return r;
}

InDouble mse_in_double(Arrays in, const Array& seed) {
  const auto& kernels = in_double::mse_kernels;
  std::vector<Numbers> x = values(in);
  x.resize(3);
  const Numbers dy = values(seed);
  InDouble r{Numbers(dy.size()), x};  // gradients are like the inputs
  std::vector<Numbers>& g = r.gradients;
  const std::int64_t n = seed.elements(), size = in[0].elements() / n;
  kernels.forward(kOneThread, n, size, data(x[0]), data(x[1]), data(x[2]), data(r.value));
  kernels.backward(kOneThread, n, size, data(x[0]), data(x[1]), data(x[2]), dy.data(), data(g[0]), data(g[1]), data(g[2]));
  return r;
}

InDouble group_norm_in_double(Arrays in, const GroupNormOptions& o, const Array& seed) {
  const auto& kernels = in_double::group_norm_kernels;
  enum Input { kX, kGamma, kBeta, kX2, kScale, kShift };
  std::vector<Numbers> x = values(in);
  const Numbers dy = values(seed);
  InDouble r{Numbers(dy.size()), x};
  std::vector<Numbers>& g = r.gradients;
  const std::int64_t n = in[kX].extent(0), c1 = in[kX].extent(-1);
  const GroupNormShape s{n,        in[kX].elements() / (n * c1), c1, in[kX2].given() ? in[kX2].extent(-1) : 0,
                         o.groups, o.eps,                        o.activation == Activation::silu};
  const GroupNormInputs<double> inputs{data(x[kX]),    data(x[kX2]),    data(x[kGamma]),
                                       data(x[kBeta]), data(x[kScale]), data(x[kShift])};
  Numbers stats = numbers(n * o.groups * 2), scratch = numbers(n * kernels.sample_scratch(s));
  kernels.forward(kOneThread, s, inputs, false, data(stats), data(r.value), data(scratch));
  kernels.backward(kOneThread, s, inputs, data(stats), dy.data(),
                   {data(g[kX]), data(g[kX2]), data(g[kGamma]), data(g[kBeta]), data(g[kScale]), data(g[kShift])},
                   data(scratch));
  return r;
}

InDouble attention_in_double(Arrays in, const AttentionOptions& o, const Array& seed) {
  const auto& kernels = in_double::attention_kernels;
  enum Input { kQ, kK, kV, kMask, kBias };
  std::vector<Numbers> x = values(in);
  const Numbers dy = values(seed);
  InDouble r{Numbers(dy.size()), x};
  std::vector<Numbers>& g = r.gradients;
  g[kBias].assign(g[kBias].size(), 0.0);  // the kernel adds
  const std::int64_t n = in[kQ].extent(0), queries = in[kQ].extent(1), d = in[kQ].extent(2) / o.heads;
  const AttentionShape s{n, queries, in[kK].extent(1), o.heads, o.kv_heads > 0 ? o.kv_heads : o.heads, d,
                         o.scale != 0 ? o.scale : 1 / std::sqrt(static_cast<double>(d)), o.causal};
  AttentionInputs<double> inputs{data(x[kQ]), data(x[kK]), data(x[kV]), data(x[kMask]), {}};
  if (const Array& b = in[kBias]; b.given()) {
    const auto stride = [&](int i, std::int64_t full) { return b.extent(i) == 1 ? 0 : full; };
    inputs.bias = {data(x[kBias]), stride(0, b.extent(1) * b.extent(2) * b.extent(3)), stride(1, b.extent(2) * b.extent(3)),
                   stride(2, b.extent(3))};
  }
  Numbers stats = numbers(n * s.heads * queries * 2);
  Numbers scratch = numbers(std::max(kernels.forward_scratch(s, 1), kernels.backward_scratch(s, 1)));
  kernels.forward(kOneThread, s, inputs, data(r.value), data(stats), data(scratch));
  kernels.backward(kOneThread, s, inputs, data(r.value), data(stats), dy.data(), data(g[kQ]), data(g[kK]), data(g[kV]),
                   data(g[kBias]), data(scratch));
  return r;
}

InDouble fourier_embedding_in_double(Arrays in, const Array& seed) {
  const Numbers t = values(in[0]), w = values(in[1]), dy = values(seed);
  InDouble r{Numbers(dy.size()), {Numbers(t.size()), Numbers(w.size())}};
  fourier_features(in[0].elements(), in[1].elements(), t.data(), w.data(), r.value.data());
  fourier_features_gradient(in[0].elements(), in[1].elements(), t.data(), w.data(), dy.data(), r.gradients[0].data(),
                            r.gradients[1].data());
  return r;
}

InDouble timestep_embedding_in_double(Arrays in, const TimestepEmbeddingOptions& o, const Array& seed) {
  const Sinusoids<double> sinusoids(o);
  const Numbers t = values(in[0]), dy = values(seed);
  InDouble r{Numbers(dy.size()), {Numbers(t.size())}};
  sinusoids.forward(in[0].elements(), t.data(), r.value.data());
  sinusoids.backward(in[0].elements(), t.data(), dy.data(), r.gradients[0].data());
  return r;
}

}  // namespace eddy::test
