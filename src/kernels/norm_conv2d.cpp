// Convolution of a group norm: the two passes one after the other, or by parts of the batch. By parts, a thread makes the norm's
// output of a few samples where it lies in the second-level cache and convolves it there; backward, it carries their gradient
// through the convolution and at once through the norm. So neither crosses that cache, which takes longer than all that the norm
// computes. The bytes are the same.
#include "kernels/norm_conv2d.hpp"

#include <algorithm>

#include "kernels/table.hpp"

namespace eddy::inline v0_1 {

namespace {

std::int64_t whole_lines(std::int64_t floats) { return (floats + 15) / 16 * 16; }

// What calls a kernel from inside of a tile of work.
Launch on_this_thread() {
  return {[](void*, std::int64_t n, void (*function)(void*, std::int64_t, int), void* argument) {
            for (std::int64_t tile = 0; tile < n; ++tile) function(argument, tile, 0);
          },
          nullptr, 1};
}

// How many samples a thread takes at a time; 0: no parts.
std::int64_t samples_at_a_time(const KernelTable& kernels, const ConvShape& s, std::int64_t slots) {
  constexpr std::int64_t kLeastPixels = 380;        // fewer make short products
  constexpr std::int64_t kMostFloats = 100 * 1024;  // of the norm's output, which shares the cache with the convolution's memory
  const std::int64_t pixels = s.height * s.width, samples = (kLeastPixels + pixels - 1) / pixels;
  if (s.stride > 1 || samples * pixels * s.in > kMostFloats) return 0;
  const std::int64_t at_once = samples * slots, rounds = (s.n + at_once - 1) / at_once;
  const std::int64_t longest = std::min(s.n, rounds * samples);  // of the threads' shares
  if (20 * slots * longest > 21 * s.n) return 0;                 // the others would wait for more than 5 %
  if (kernels.conv2d.forward_packed(s) == 0 || kernels.conv2d.backward_data_packed(s) == 0) return 0;
  return std::min(samples, s.n);
}

struct Parts {
  const NormConvShape& s;
  std::int64_t samples;    // of a part, but for the last one; 0: one pass after the other
  ConvShape longest;       // what the convolution is called for at most: a part, or the whole batch
  int calls, slots_each;   // that run at the same time, and slots of each
  std::int64_t picture, out_pixels, out_picture;  // floats, pixels, floats of a sample
  std::int64_t of_norm;                           // floats of scratch for a sample

  Parts(const KernelTable& kernels, const NormConvShape& shape, int slots)
      : s(shape), samples(samples_at_a_time(kernels, shape.conv, slots)), longest(samples > 0 ? part(samples) : s.conv),
        calls(samples > 0 ? slots : 1), slots_each(samples > 0 ? 1 : slots),
        picture(s.conv.height * s.conv.width * s.conv.in), out_pixels(s.conv.out_height * s.conv.out_width),
        out_picture(out_pixels * s.conv.out), of_norm(kernels.group_norm.sample_scratch(s.norm)) {}

  bool one_after_the_other() const { return samples == 0; }
  std::int64_t pictures() const { return whole_lines(longest.n * picture); }  // floats of the norm's output for a call
  ConvShape part(std::int64_t length) const {
    ConvShape shape = s.conv;
    shape.n = length;
    shape.part = true;
    return shape;
  }
  // f(first sample, the part, slot)
  template <class F>
  void each(const Launch& launch, F&& f) const {
    struct Work {
      const Parts& parts;
      F& f;
    } work{*this, f};
    launch.run_tiles(
        launch.threads, (s.conv.n + samples - 1) / samples,
        [](void* argument, std::int64_t tile, int slot) {
          const Work& w = *static_cast<const Work*>(argument);
          const std::int64_t first = tile * w.parts.samples;
          w.f(first, w.parts.part(std::min(w.parts.samples, w.parts.s.conv.n - first)), slot);
        },
        &work);
  }
};

// Where things lie in scratch, one behind the other. For each call: the convolution's memory, the norm's and its output, or
// gradient; backward, the norm's of all samples before them, as their sums are joined in the end.
struct Forward {
  Parts p;
  std::int64_t norm, output, call;
  Forward(const KernelTable& kernels, const NormConvShape& s, int slots) : p(kernels, s, slots) {
    norm = whole_lines(kernels.conv2d.forward_scratch(p.longest, p.slots_each));
    output = norm + (p.one_after_the_other() ? s.conv.n : 1) * p.of_norm;
    call = output + p.pictures();
  }
  std::int64_t floats() const { return p.calls * call; }
};
struct Backward {
  Parts p;
  std::int64_t norms, gradient, call;
  Backward(const KernelTable& kernels, const NormConvShape& s, int slots) : p(kernels, s, slots) {
    norms = s.conv.n * p.of_norm;
    gradient = whole_lines(kernels.conv2d.backward_data_scratch(p.longest, p.slots_each));
    call = gradient + p.pictures();
  }
  std::int64_t floats() const { return norms + p.calls * call; }
};

std::int64_t part(const KernelTable& kernels, const NormConvShape& s, int slots) {
  return samples_at_a_time(kernels, s.conv, slots);
}
std::int64_t forward_scratch(const KernelTable& kernels, const NormConvShape& s, int slots) {
  return Forward(kernels, s, slots).floats();
}
std::int64_t backward_scratch(const KernelTable& kernels, const NormConvShape& s, int slots) {
  return Backward(kernels, s, slots).floats();
}

const float* from_sample(const float* x, std::int64_t sample, std::int64_t floats) { return x ? x + sample * floats : nullptr; }

void forward(const Launch& launch, const KernelTable& kernels, const NormConvShape& s, const GroupNormInputs<float>& in,
             const float* weight, const float* packed, const float* bias, const float* sample_bias, const float* residual,
             float* stats, float* y, float* scratch) {
  const ConvKernels& conv = kernels.conv2d;
  const GroupNormKernels<float>& norm = kernels.group_norm;
  const Forward at(kernels, s, launch.slots);
  const Parts& p = at.p;
  if (p.one_after_the_other()) {
    norm.forward(launch, s.norm, in, false, stats, scratch + at.output, scratch + at.norm);
    return conv.forward(launch, s.conv, scratch + at.output, weight, packed, bias, sample_bias, residual, y, scratch);
  }
  p.each(launch, [&](std::int64_t first, const ConvShape& part, int slot) {
    float* own = scratch + slot * at.call;
    for (std::int64_t i = 0; i < part.n; ++i) {
      norm.forward_sample(s.norm, in, first + i, stats, own + at.output + i * p.picture, own + at.norm);
    }
    conv.forward(on_this_thread(), part, own + at.output, weight, packed, bias, from_sample(sample_bias, first, part.out),
                 from_sample(residual, first, p.out_picture), y + first * p.out_picture, own);
  });
}

void backward(const Launch& launch, const KernelTable& kernels, const NormConvShape& s, const GroupNormInputs<float>& in,
              const float* stats, const float* dy, const float* weight, const float* packed,
              const GroupNormGradients<float>& gradients, float* sums, float* scratch) {
  const ConvKernels& conv = kernels.conv2d;
  const GroupNormKernels<float>& norm = kernels.group_norm;
  const Backward at(kernels, s, launch.slots);
  const Parts& p = at.p;
  float* calls = scratch + at.norms;
  if (p.one_after_the_other()) {
    conv.backward_data(launch, s.conv, dy, weight, packed, calls + at.gradient, calls);
    norm.backward(launch, s.norm, in, stats, calls + at.gradient, gradients, scratch);
    if (sums) kernels.linear.column_sums(launch, s.conv.n, p.out_pixels, s.conv.out, dy, sums);
    return;
  }
  p.each(launch, [&](std::int64_t first, const ConvShape& part, int slot) {
    float* own = calls + slot * at.call;
    const float* from = dy + first * p.out_picture;
    if (sums) kernels.linear.column_sums(on_this_thread(), part.n, p.out_pixels, part.out, from, sums + first * part.out);
    conv.backward_data(on_this_thread(), part, from, weight, packed, own + at.gradient, own);
    for (std::int64_t i = 0; i < part.n; ++i) {
      norm.backward_sample(s.norm, in, first + i, stats, own + at.gradient + i * p.picture, gradients,
                           scratch + (first + i) * p.of_norm);
    }
  });
  norm.finish_backward(s.norm, in, gradients, scratch);
}

}  // namespace

extern const NormConvKernels norm_conv_kernels;
const NormConvKernels norm_conv_kernels{part, forward_scratch, forward, backward_scratch, backward};

}  // namespace eddy::inline v0_1
