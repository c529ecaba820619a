// Tensors into files for people and for Python.
#include "base/boundary.hpp"
#include "eddy/data.hpp"
#include "eddy/error.hpp"
#include "io/arrays.hpp"
#include "io/image.hpp"

namespace eddy::inline v0_1 {

void save_png(const std::string& path, const Tensor& images, int columns,
              const std::vector<std::pair<std::string, std::string>>& text) try {
  const bool fits = images.defined() && images.rank() == 4 && (images.extent(3) == 1 || images.extent(3) == 3);
  if (!fits || images.elements() == 0) {
    throw Error("save_png: images must be (N, H, W, 1 or 3) with pixels, got " +
                (images.defined() ? to_string(images.shape()) : "none"));
  }
  write_png(path, images.extent(0) == 1 ? picture_of(images, 0) : picture_grid(images, columns), {text.begin(), text.end()});
} catch (...) {
  throw_as_error("save_png");
}

void save_npy(const std::string& path, const Tensor& tensor) try {
  write_npy(path, tensor);
} catch (...) {
  throw_as_error("save_npy");
}

}  // namespace eddy::inline v0_1
