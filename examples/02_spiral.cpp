// A 2-D spiral, learnt and sampled: the smallest diffusion model. Writes spiral.png: data left, samples right.
//
// The network is one of our own, a small perceptron; any function of (x, t, condition) will do. It sees sinusoids of x's
// coordinates, as of t: from the coordinates alone it learns the outer turn and fills the inside with dots. A few seconds give
// samples that trace the whole spiral, with some strays between its arms.
#include <cmath>
#include <cstdio>
#include <eddy/eddy.hpp>

using namespace eddy;

namespace {

constexpr int kWaves = 16;  // sines and cosines of a coordinate, of frequencies 0.18 to 10

struct Perceptron {
  ParameterTree tree;
  Linear time, in, middle, out;
  Perceptron()
      : time(tree.in("time"), 64, 128), in(tree.in("in"), 2 * kWaves, 128), middle(tree.in("middle"), 128, 128),
        out(tree.in("out"), 128, 2, {.zero = true}) {
    tree.allocate();
    tree.initialise(0);
  }
  Tensor operator()(const Tensor& x, const Tensor& t, const Condition&) const {
    const Tensor coordinates = reshape(x, {2 * x.extent(0)});
    const Tensor waves = timestep_embedding(10.f * coordinates, {.channels = kWaves, .max_period = 100});
    Tensor h = silu(in(reshape(waves, {x.extent(0), 2 * kWaves})) + time(timestep_embedding(t, {.channels = 64})));
    h = silu(middle(h, h));  // with its own input added
    return out(h);
  }
};

Tensor spiral(std::int64_t n) {
  std::vector<float> points;
  for (std::int64_t i = 0; i < n; ++i) {
    const double u = std::sqrt(keyed_uniform(0, kUser, i)), angle = 3 * 3.14159265 * u;
    points.push_back(static_cast<float>(u * std::cos(angle)));
    points.push_back(static_cast<float>(u * std::sin(angle)));
  }
  return Tensor::from(std::span<const float>(points), {n, 2});
}

// Points of [-1.2, 1.2]^2 as black dots.
void draw(const Tensor& points, std::span<float> pixels, std::int64_t size) {
  for (std::int64_t i = 0; i < points.extent(0); ++i) {
    const auto place = [&](std::int64_t k) {
      const double v = static_cast<double>(points.values()[static_cast<std::size_t>(2 * i + k)]);
      return static_cast<std::int64_t>((v / 2.4 + 0.5) * static_cast<double>(size));
    };
    const std::int64_t x = place(0), y = place(1);
    if (x >= 0 && x < size && y >= 0 && y < size) pixels[static_cast<std::size_t>(y * size + x)] = -1;
  }
}

}  // namespace

int main() {
  const Perceptron network;
  const Schedule schedule = cosine_schedule(1000);
  const Tensor data = spiral(4000);
  const Optimizer optimizer(network.tree.parameters());
  TrainState state;
  TrainOptions options{.steps = 4000, .batch_size = 256, .learning_rate = 3e-3, .rate_schedule = cosine_rate(100),
                       .ema = {.decay = 0.995}};
  options.on_step = [](const TrainReport& r) {
    if (r.step % 500 == 0) std::printf("step %lld  loss %.4f\n", static_cast<long long>(r.step), r.loss);
  };
  train(network, optimizer, memory_samples(data), objective(schedule, {.prediction = PredictionType::v_prediction}), options, state);
  optimizer.swap_average();

  const NoiseSource noise = philox_noise(1);
  const Tensor samples = sample_ddim(from_v(network), noise.normal({4000, 2}, kInitialNoise), steps(trailing_levels(schedule, 50)), noise);
  Tensor pictures = Tensor::full({2, 256, 256, 1}, 1);
  draw(data, pictures.mutable_values().first(256 * 256), 256);
  draw(samples, pictures.mutable_values().last(256 * 256), 256);
  save_png("spiral.png", pictures, 2);
  std::printf("spiral.png\n");
}
