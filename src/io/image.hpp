// Pictures of 8 bits a channel: PNG, JPEG and BMP in, PNG out.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "eddy/tensor.hpp"

namespace eddy::inline v0_1 {

// Rows of interleaved channels (1 or 3).
struct Picture {
  int width = 0, height = 0, channels = 0;
  std::vector<std::uint8_t> pixels;
};

// channels: 1 or 3. Throws Error for a file that is none of the three, broken, cut short, or of more than 2^26 pixels.
Picture read_picture(const std::string& path, int channels);
bool is_picture_name(const std::string& path);
// Scales so that the picture covers the size, bilinearly (down: as wide as the reduction, as Pillow's BILINEAR), and cuts the
// middle out.
Picture resized_and_cropped(const Picture& picture, int width, int height);

// `text` goes into tEXt chunks. The file appears complete or not at all.
void write_png(const std::string& path, const Picture& picture, const std::map<std::string, std::string>& text = {});

// (N, H, W, 1 or 3) in [-1, 1] to one picture with `columns` a row (0: about square), two pixels apart.
Picture picture_grid(const Tensor& images, int columns = 0);
Picture picture_of(const Tensor& images, std::int64_t index);

}  // namespace eddy::inline v0_1
