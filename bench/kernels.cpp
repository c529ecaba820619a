// Operations at the shapes of the two U-Nets: GFLOP/s beside the peak, or GB/s.
#include "bench.hpp"
#include "eddy/ops.hpp"
#include "eddy/random.hpp"

namespace eddy::bench {

namespace {

Tensor noise(const Shape& shape, const Context& context) {
  static std::uint64_t calls = 0;
  return philox_noise(++calls).normal(shape, kInitialNoise, context);
}

struct Bench {
  const Options& options;
  const Context& context;
  double peak;

  void line(const std::string& name, double work, const char* unit, const Times& t) const {
    Json json{{"what", name}, {"median_s", t.median}, {"least_s", t.least}, {unit, work / t.median * 1e-9}};
    if (std::string(unit) == "gflops") json["of_peak"] = work / t.median * 1e-9 / peak;
    print(json);
  }

  // The gradients with respect to x and to the weights each alone.
  template <class F>
  void forward_and_backward(const std::string& name, double flops, const Tensor& x, const Tensor& weight, const F& f) const {
    {
      const NoGrad no_grad;
      line(name + " forward", flops, "gflops", timed(options.iterations, [&] { f(x, weight); }));
    }
    for (const bool of_x : {true, false}) {
      const Tensor leaf = (of_x ? x : weight).variable();
      const auto forward = [&] { return of_x ? f(leaf, weight) : f(x, leaf); };
      const Tensor seed = noise(forward().shape(), context);
      line(name + (of_x ? " backward of x" : " backward of the weights"), flops, "gflops", timed_by_itself(options.iterations, [&] {
             const Tensor y = forward();
             const double begun = now();
             gradients(y, {leaf}, seed);
             return now() - begun;
           }));
    }
  }

  void conv(std::int64_t n, std::int64_t size, std::int64_t in, std::int64_t out, int kernel, int stride = 1) const {
    const int pad = kernel / 2;
    const Tensor x = noise({n, size, size, in}, context), w = noise({out, in, kernel, kernel}, context);
    const double flops = 2.0 * static_cast<double>(n * (size / stride) * (size / stride) * in * out * kernel * kernel);
    const std::string name = "conv " + std::to_string(kernel) + "x" + std::to_string(kernel) + (stride > 1 ? " stride 2" : "") + " " +
                             std::to_string(in) + "->" + std::to_string(out) + " at " + std::to_string(size) + ", batch " +
                             std::to_string(n);
    forward_and_backward(name, flops, x, w, [=](const Tensor& a, const Tensor& b) {
      return conv2d(a, b, {}, {stride, pad, pad, pad, pad});
    });
  }

  void product(std::int64_t rows, std::int64_t in, std::int64_t out) const {
    const Tensor x = noise({rows, in}, context), w = noise({out, in}, context);
    forward_and_backward("linear " + std::to_string(rows) + "x" + std::to_string(in) + "->" + std::to_string(out),
                         2.0 * static_cast<double>(rows * in * out), x, w,
                         [](const Tensor& a, const Tensor& b) { return linear(a, b); });
  }

  void norm(std::int64_t n, std::int64_t size, std::int64_t channels) const {
    const NoGrad no_grad;
    const Tensor x = noise({n, size, size, channels}, context), one = noise({channels}, context);
    const GroupNormOptions o{8, 1e-5, Activation::silu};
    line("group_norm + silu " + std::to_string(channels) + " at " + std::to_string(size) + ", batch " + std::to_string(n),
         8.0 * static_cast<double>(x.elements()), "gbytes_per_s", timed(options.iterations, [&] { group_norm(x, one, one, o); }));
  }

  void attend(std::int64_t n, std::int64_t tokens, int heads, std::int64_t d) const {
    const NoGrad no_grad;
    const Tensor q = noise({n, tokens, heads * d}, context);
    line("attention " + std::to_string(tokens) + " tokens, " + std::to_string(heads) + " heads of " + std::to_string(d),
         4.0 * static_cast<double>(n * tokens * tokens * heads * d), "gflops",
         timed(options.iterations, [&] { attention(q, q, q, {.heads = heads}); }));
  }
};

}  // namespace

void run_kernels(const Options& options, const Context& context) {
  const Bench b{options, context, peak_gflops(context)};
  print({{"what", "peak"}, {"gflops", b.peak}, {"isa", name(context.isa())}, {"products", name(context.products())},
         {"threads", context.slots()}});
  b.conv(64, 28, 32, 32, 3);
  b.conv(64, 14, 64, 64, 3);
  b.conv(64, 7, 128, 128, 3);
  b.conv(8, 32, 128, 128, 3);
  b.conv(8, 16, 256, 256, 3);
  b.conv(8, 8, 256, 256, 3);
  b.conv(1, 32, 128, 128, 3);
  b.conv(1, 8, 256, 256, 3);
  b.conv(64, 28, 1, 32, 3);
  b.conv(8, 32, 128, 128, 3, 2);
  b.conv(8, 16, 512, 256, 1);
  b.product(2048, 256, 256);
  b.product(64, 128, 128);
  b.norm(64, 28, 32);
  b.norm(8, 32, 128);
  b.attend(64, 49, 4, 32);
  b.attend(8, 256, 1, 256);
}

}  // namespace eddy::bench
