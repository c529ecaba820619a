// Noise in the order of a stream.
#include "pipeline/scheduler/recipe.hpp"

namespace eddy::inline v0_1 {

namespace {

bool same(const NoiseKey& a, const NoiseKey& b) { return a.purpose == b.purpose && a.step == b.step && a.substep == b.substep; }

class InOrder final : public NoiseSource::Source {
 public:
  InOrder(NoiseSource source, std::vector<NoiseKey> keys) : source_(std::move(source)), keys_(std::move(keys)) {}

  Tensor normal(const Shape& shape, const NoiseKey& key, std::int64_t, const Context& context) override {
    const auto wanted = std::ranges::find_if(keys_, [&](const NoiseKey& k) { return same(k, key); });
    const std::size_t before = wanted == keys_.end() ? next_ : static_cast<std::size_t>(wanted - keys_.begin());
    for (; next_ < before; ++next_) source_.normal(shape, keys_[next_], context);
    if (next_ == before) ++next_;
    return source_.normal(shape, key, context);
  }

 private:
  NoiseSource source_;  // its own first sample counts
  std::vector<NoiseKey> keys_;
  std::size_t next_ = 0;  // keys before it have been drawn
};

}  // namespace

NoiseSource drawn_in_order(const NoiseSource& source, std::vector<NoiseKey> keys) {
  return NoiseSource(std::make_shared<InOrder>(source, std::move(keys)));
}

}  // namespace eddy::inline v0_1
