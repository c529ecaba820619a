// The pieces of stb that we call.
#pragma once

#include "eddy/version.hpp"

namespace eddy::inline v0_1::stb {

bool info(const unsigned char* data, int bytes, int* width, int* height);
// Null with *failure set when it cannot be decoded; else release() it.
unsigned char* load(const unsigned char* data, int bytes, int* width, int* height, int channels, const char** failure);
// Raw deflate data into a buffer; the number of bytes, or below 0 when it is broken or too long.
int inflate(const char* data, int bytes, char* out, int out_bytes);
unsigned char* png(const unsigned char* pixels, int width, int height, int channels, int* bytes);
void release(void* block);

}  // namespace eddy::inline v0_1::stb
