// Dropout: y = mask x / (1 - p). The mask is a function of (seed, micro-step, path of the layer, sample, element), so it is
// never stored: backward draws it again.
#include <algorithm>

#include "base/hash.hpp"
#include "eddy/random.hpp"
#include "ops/support.hpp"

namespace eddy::inline v0_1 {

namespace {

struct Drop {
  DropoutKey key;
  double p;
  std::uint32_t path;
};

Tensor dropped(const Tensor& x, const Drop& drop) {
  Tensor y = make(x.shape(), x.context());
  struct Work {
    const Drop& drop;
    const float* in;
    float* out;
    std::int64_t row;
  } work{drop, data(x), write(y), x.extent(0) > 0 ? x.elements() / x.extent(0) : 0};
  const auto tile = [](void* argument, std::int64_t sample, int) {
    const Work& w = *static_cast<const Work*>(argument);
    const NoiseKey key(kDropout, w.drop.key.micro_step, w.drop.path);
    const float keep = static_cast<float>(1 / (1 - w.drop.p));
    for (std::int64_t first = 0; first < w.row; first += 4) {
      const auto words = keyed_words(w.drop.key.seed, key, sample, first / 4);
      for (std::int64_t i = first; i < std::min(first + 4, w.row); ++i) {
        const bool kept = words[static_cast<std::size_t>(i - first)] * 0x1p-32 >= w.drop.p;
        w.out[sample * w.row + i] = kept ? w.in[sample * w.row + i] * keep : 0;
      }
    }
  };
  x.context().threads().run_tiles(x.extent(0), tile, &work);
  return y;
}

constexpr Operation kDropoutOperation{
    "dropout",
    [](Call& call) {
      call.keep_input(0);
      return dropped(call.input(0), call.attributes<Drop>());
    },
    [](Call& call, const Tensor& g, std::span<Tensor> result) { result[0] = dropped(g, call.attributes<Drop>()); },
    [](Call& call, std::span<const Tensor> t) { return dropped(t[0], call.attributes<Drop>()); }, true};

}  // namespace

Tensor dropout(const Tensor& x, double p, std::string_view path) {
  require_f32(x, "dropout", "x");
  require(p >= 0 && p < 1 && x.rank() > 0, "dropout",
          [&] { return "p must be in [0, 1) and x have samples, got " + std::to_string(p) + " and " + shape_of(x); });
  const DropoutKey* key = dropout_key();
  if (key == nullptr || p == 0) return x;
  return apply(kDropoutOperation, {x}, attributes(Drop{*key, p, static_cast<std::uint32_t>(fnv1a(path) >> 40)}));
}

}  // namespace eddy::inline v0_1
