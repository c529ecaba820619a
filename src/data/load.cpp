// A picture of a file as a tensor.
#include "base/boundary.hpp"
#include "eddy/data.hpp"
#include "eddy/error.hpp"
#include "io/image.hpp"

namespace eddy::inline v0_1 {

Tensor load_picture(const std::string& path, int channels, std::int64_t height, std::int64_t width, const Context& context) try {
  constexpr std::int64_t kMost = 1 << 16;
  if (channels != 1 && channels != 3) throw Error("load_picture: channels must be 1 or 3, got " + std::to_string(channels));
  if (height < 1 || width < 1 || height > kMost || width > kMost) {
    throw Error("load_picture: height and width must be from 1 to 65536, got " + std::to_string(height) + " and " +
                std::to_string(width));
  }
  const Picture picture = resized_and_cropped(read_picture(path, channels), static_cast<int>(width), static_cast<int>(height));
  Tensor result = Tensor::uninitialised({1, height, width, channels}, DType::f32, context);
  const std::span<float> values = result.mutable_values();
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(picture.pixels[i]) / 127.5f - 1;
  return result;
} catch (...) {
  throw_as_error("load_picture");
}

}  // namespace eddy::inline v0_1
