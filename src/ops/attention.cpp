// Softmax attention; the formulas are in kernels/attention.cpp. q, k, v, the output and two numbers a query are kept.
#include <cmath>

#include "ops/support.hpp"

namespace eddy::inline v0_1 {

namespace {

enum Input { kQ, kK, kV, kMask, kBias };

AttentionInputs<float> inputs_of(const Call& call, const Tensor (&in)[5]) {
  AttentionInputs<float> result{data(in[kQ]), data(in[kK]), data(in[kV]), data(in[kMask]), {}};
  if (call.has(kBias)) {
    const Shape& b = in[kBias].shape();
    const std::int64_t query = b[2] == 1 ? 0 : b[3], head = b[1] == 1 ? 0 : b[2] * b[3];
    result.bias = {data(in[kBias]), b[0] == 1 ? 0 : b[1] * b[2] * b[3], head, query};
  }
  return result;
}

Tensor forward(Call& call) {
  Tensor in[5];
  for (int i = 0; i < 5; ++i) {
    if (call.has(i)) call.keep_input(i);
    in[i] = call.input(i);
  }
  const auto& s = call.attributes<AttentionShape>();
  const Context& context = call.context();
  const auto& kernels = context.kernels().attention;
  Tensor out = make(in[kQ].shape(), context), stats = make({s.n, s.heads, s.queries, 2}, context);
  const PoolBlock scratch(context, bytes(kernels.forward_scratch(s, context.slots())));
  kernels.forward(launch_of(context), s, inputs_of(call, in), write(out), write(stats), scratch.floats());
  call.save(out);
  call.save(stats);
  return out;
}

void vjp(Call& call, const Tensor& g, std::span<Tensor> result) {
  Tensor in[5];
  for (int i = 0; i < 5; ++i) in[i] = call.input(i);
  const auto& s = call.attributes<AttentionShape>();
  const Context& context = call.context();
  const auto& kernels = context.kernels().attention;
  for (int i = kQ; i <= kV; ++i) result[static_cast<std::size_t>(i)] = make(call.input_shape(i), context);
  if (call.wants(kBias)) result[kBias] = Tensor::zeros(call.input_shape(kBias), context);
  const PoolBlock scratch(context, bytes(kernels.backward_scratch(s, context.slots())));
  kernels.backward(launch_of(context), s, inputs_of(call, in), data(call.saved(0)), data(call.saved(1)), data(g),
                   write(result[kQ]), write(result[kK]), write(result[kV]), write(result[kBias]), scratch.floats());
}

constexpr Operation kAttention{"attention", forward, vjp};

void require_tokens(const Tensor& x, const char* argument, std::int64_t n, std::int64_t length, std::int64_t width) {
  require_shape(x, {n, length, width}, "attention", argument);
}

}  // namespace

Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& o, const Tensor& key_mask,
                 const Tensor& bias) {
  require_f32(q, "attention", "q");
  require_f32(k, "attention", "k");
  require(q.rank() == 3 && k.rank() == 3, "attention",
          [&] { return "q and k must be (N, L, heads d), got " + shape_of(q) + " and " + shape_of(k); });
  const int kv_heads = o.kv_heads > 0 ? o.kv_heads : o.heads;
  require(o.heads > 0 && q.extent(2) % o.heads == 0 && o.heads % kv_heads == 0, "attention", [&] {
    return std::to_string(o.heads) + " heads must divide " + std::to_string(q.extent(2)) + " channels, and " +
           std::to_string(kv_heads) + " key heads the heads";
  });
  const std::int64_t n = q.extent(0), d = q.extent(2) / o.heads, keys = k.extent(1);
  require(d > 0 && keys > 0, "attention", [&] { return "needs at least one key and channel, got " + shape_of(k); });
  require_tokens(k, "k", n, keys, kv_heads * d);
  require_tokens(v, "v", n, keys, kv_heads * d);
  require_shape_if(key_mask, {n, keys}, "attention", "key_mask");
  if (bias.defined()) {
    require_f32(bias, "attention", "bias");
    const auto fits = [&](int i, std::int64_t full) { return bias.extent(i) == full || bias.extent(i) == 1; };
    require(bias.rank() == 4 && fits(0, n) && fits(1, o.heads) && fits(2, q.extent(1)) && bias.extent(3) == keys,
            "attention", [&] { return "bias must be (N|1, heads|1, Lq|1, Lk), got " + shape_of(bias); });
  }
  const AttentionShape shape{n, q.extent(1), keys, o.heads, kv_heads, d,
                             o.scale != 0 ? o.scale : 1 / std::sqrt(static_cast<double>(d)), o.causal};
  return apply(kAttention, {q, k, v, key_mask, bias}, attributes(shape));
}

}  // namespace eddy::inline v0_1
