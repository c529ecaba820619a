// A tensor and a gradient: f(x) = mean((W x - 1)^2), and its derivative in W, compared with a difference quotient.
#include <cstdio>
#include <eddy/eddy.hpp>

int main() {
  using namespace eddy;
  const Tensor x = Tensor::from({1.f, 2.f, 3.f, -1.f, 0.f, 1.f}, {2, 3});// two rows
  const Tensor ones = Tensor::full({2, 1}, 1);
  const auto f = [&](const Tensor& w) { return mean(square(linear(x, w) - ones)); };

  const Tensor w = Tensor::from({0.1f, 0.2f, 0.3f}, {1, 3}).variable();
  const Tensor value = f(w);
  const Tensor slope = gradients(value, {w})[0];
  std::printf("f = %.6f\n", static_cast<double>(value.item()));
  for (int i = 0; i < 3; ++i) {
    const auto moved = [&](float h) {
      Tensor other = w.clone();
      other.mutable_values()[static_cast<std::size_t>(i)] += h;
      return static_cast<double>(f(other).item());
    };
    const double quotient = (moved(0.01f) - moved(-0.01f)) / 0.02;
    std::printf("df/dw%d = %.4f, difference quotient %.4f\n", i, static_cast<double>(slope.values()[static_cast<std::size_t>(i)]), quotient);
  }
}
