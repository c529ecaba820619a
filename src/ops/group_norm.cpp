// Group norm with the scale and shift of the time embedding and SiLU in one pass; the formulas are in
// kernels/group_norm.cpp. The inputs and two numbers a group are kept; the output is made again where it is needed.
#include "ops/group_norm.hpp"

namespace eddy::inline v0_1 {

NormWork::NormWork(const Call& call, const GroupNormOptions& o) {
  for (int i = 0; i < kInputs; ++i) in[i] = call.input(i);
  const std::int64_t c1 = in[kX].extent(-1), n = in[kX].extent(0);
  const std::int64_t pixels = n * c1 > 0 ? in[kX].elements() / (n * c1) : 0;
  shape = {n, pixels, c1, in[kX2].defined() ? in[kX2].extent(-1) : 0, o.groups, o.eps, o.activation == Activation::silu};
  inputs = {data(in[kX]), data(in[kX2]), data(in[kGamma]), data(in[kBeta]), data(in[kScale]), data(in[kShift])};
}

std::size_t NormWork::scratch_bytes() const { return bytes(shape.n * kernels().sample_scratch(shape)); }

void NormWork::keep_inputs(Call& call) {
  for (int i = 0; i < kInputs; ++i) {
    if (call.has(i)) call.keep_input(i);
  }
}

bool NormWork::wanted(const Call& call) {
  for (int i = 0; i < kInputs; ++i) {
    if (call.wants(i)) return true;
  }
  return false;
}

NormGradients::NormGradients(const Call& call, std::span<Tensor> result) {
  using W = NormWork;
  for (int i = 0; i < W::kInputs; ++i) {
    if (call.has(i)) result[static_cast<std::size_t>(i)] = make(call.input_shape(i), call.context());
  }
  if (call.wants(W::kX)) so_far = call.gradient_so_far(W::kX);
  if (call.wants(W::kX2)) so_far2 = call.gradient_so_far(W::kX2);
  to = {write(result[W::kX]),     write(result[W::kX2]),    write(result[W::kGamma]), write(result[W::kBeta]),
        write(result[W::kScale]), write(result[W::kShift]), data(so_far),             data(so_far2)};
}

namespace {

Shape joined_shape(const Shape& x, std::int64_t channels) {
  return x.rank() == 4 ? Shape{x[0], x[1], x[2], channels} : Shape{x[0], x[1], channels};
}

Tensor forward(Call& call) {
  NormWork::keep_inputs(call);
  const NormWork w(call, call.attributes<GroupNormOptions>());
  const Context& context = call.context();
  const bool known = call.remaking();
  Tensor stats = known ? call.saved(0) : make({w.shape.n, w.shape.groups, 2}, context);
  Tensor y = make(joined_shape(w.in[NormWork::kX].shape(), w.shape.c1 + w.shape.c2), context);
  const PoolBlock scratch(context, w.scratch_bytes());
  w.kernels().forward(launch_of(context), w.shape, w.inputs, known, write(stats), write(y), scratch.floats());
  call.save(stats);
  return y;
}

void vjp(Call& call, const Tensor& g, std::span<Tensor> result) {
  const NormWork w(call, call.attributes<GroupNormOptions>());
  const Context& context = call.context();
  const NormGradients gradients(call, result);
  const PoolBlock scratch(context, w.scratch_bytes());
  w.kernels().backward(launch_of(context), w.shape, w.inputs, data(call.saved(0)), data(g), gradients.to, scratch.floats());
}

constexpr Operation kGroupNorm{"group_norm", forward, vjp, nullptr, true};

}  // namespace

Shape checked_norm(const GroupNormed& norm) {
  const auto& [x, gamma, beta, o, x2, scale, shift] = norm;
  require_f32(x, "group_norm", "x");
  require((x.rank() == 3 || x.rank() == 4) && x.elements() > 0, "group_norm",
          [&, &x = x] { return "x must be (N, H, W, C) or (N, L, C), got " + shape_of(x); });
  require(o.activation == Activation::none || o.activation == Activation::silu, "group_norm",
          [] { return "the activation must be none or silu"; });
  std::int64_t channels = x.extent(-1);
  if (x2.defined()) {
    require_shape(x2, joined_shape(x.shape(), x2.rank() > 0 ? x2.extent(-1) : 0), "group_norm", "x2");
    channels += x2.extent(-1);
  }
  require(o.groups > 0 && channels % o.groups == 0 && o.eps > 0, "group_norm", [&, &o = o] {
    return std::to_string(o.groups) + " groups must divide " + std::to_string(channels) + " channels, eps be positive";
  });
  require_shape(gamma, {channels}, "group_norm", "gamma");
  require_shape(beta, {channels}, "group_norm", "beta");
  require(scale.defined() == shift.defined(), "group_norm", [] { return "scale and shift come together"; });
  require_shape_if(scale, {x.extent(0), channels}, "group_norm", "scale");
  require_shape_if(shift, {x.extent(0), channels}, "group_norm", "shift");
  return joined_shape(x.shape(), channels);
}

Tensor group_norm(const GroupNormed& norm) {
  checked_norm(norm);
  return apply(kGroupNorm, {norm.x, norm.gamma, norm.beta, norm.x2, norm.scale, norm.shift}, attributes(norm.options));
}

Tensor group_norm(const Tensor& x, const Tensor& gamma, const Tensor& beta, const GroupNormOptions& o, const Tensor& x2,
                  const Tensor& scale, const Tensor& shift) {
  return group_norm(GroupNormed{x, gamma, beta, o, x2, scale, shift});
}

}  // namespace eddy::inline v0_1
