// stb_image and stb_image_write, compiled once, privately. Memory is zeroed: stb hands uninitialised heap out as pixels for
// some broken files.
#include "io/stb.hpp"

#include <cstdlib>
#include <cstring>

namespace {

void* zeroed(std::size_t bytes) { return std::calloc(1, bytes); }

void* grown(void* block, std::size_t old_bytes, std::size_t bytes) {
  void* larger = std::calloc(1, bytes);
  if (larger != nullptr && block != nullptr) {
    std::memcpy(larger, block, old_bytes < bytes ? old_bytes : bytes);
    std::free(block);
  }
  return larger;
}

}  // namespace

#define STBI_MALLOC(bytes) zeroed(bytes)
#define STBI_REALLOC_SIZED(block, old_bytes, bytes) grown(block, old_bytes, bytes)
#define STBI_FREE(block) std::free(block)
#define STBI_ONLY_PNG
#define STBI_ONLY_JPEG
#define STBI_ONLY_BMP
#define STBI_NO_STDIO
#define STB_IMAGE_STATIC
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STBI_WRITE_NO_STDIO
#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#pragma GCC diagnostic ignored "-Wsign-compare"
#endif
#if __has_include(<stb/stb_image.h>)
#include <stb/stb_image.h>
#include <stb/stb_image_write.h>
#else
#include <stb_image.h>
#include <stb_image_write.h>
#endif
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

namespace eddy::inline v0_1::stb {

bool info(const unsigned char* data, int bytes, int* width, int* height) {
  int channels = 0;
  return stbi_info_from_memory(data, bytes, width, height, &channels) != 0;
}

unsigned char* load(const unsigned char* data, int bytes, int* width, int* height, int channels, const char** failure) {
  int found = 0;
  unsigned char* pixels = stbi_load_from_memory(data, bytes, width, height, &found, channels);
  if (pixels == nullptr) *failure = stbi_failure_reason();
  return pixels;
}

int inflate(const char* data, int bytes, char* out, int out_bytes) {
  return stbi_zlib_decode_noheader_buffer(out, out_bytes, data, bytes);
}

unsigned char* png(const unsigned char* pixels, int width, int height, int channels, int* bytes) {
  return stbi_write_png_to_mem(pixels, width * channels, width, height, channels, bytes);
}

void release(void* block) { std::free(block); }

}  // namespace eddy::inline v0_1::stb
