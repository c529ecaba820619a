// Small runs for the tests of src/pipeline/run*.cpp.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/files.hpp"
#include "eddy/eddy.hpp"

namespace eddy::test {

// 120 gray pictures of 8 x 8 in two folders, one a class.
inline void write_pictures(const std::string& folder) {
  for (std::int64_t i = 0; i < 120; ++i) {
    const std::string part = folder + (i % 2 == 0 ? "/bright" : "/dark");
    std::filesystem::create_directories(part);
    std::vector<float> values(64);
    keyed_normals(1, kUser, i, values);
    for (float& v : values) v = 0.1f * v + (i % 2 == 0 ? 0.5f : -0.5f);
    save_png(part + "/" + std::to_string(1000 + i) + ".png", Tensor::from(std::span<const float>(values), {1, 8, 8, 1}));
  }
}

inline const char* const kSmall =
    R"("unet":{"block_out_channels":[8,16],"down_block_types":["DownBlock2D","AttnDownBlock2D"],
       "up_block_types":["AttnUpBlock2D","UpBlock2D"],"layers_per_block":1,"attention_head_dim":8,"norm_num_groups":4,
       "dropout":0.1})";

inline std::string config(const std::string& data, const std::string& train = R"("steps":12,"save_every":4,"sample_every":6)") {
  return R"({"data":{"path":")" + data + R"(","channels":1,"class_folders":true},)" + kSmall +
         R"(,"train":{"batch_size":8,"accumulate":3,"label_dropout":0.2,"flip":true,"held_out_every":6,)" + train + "}}";
}

inline std::string weights(const std::string& run) {
  return read_file(run + "/model/unet/diffusion_pytorch_model.safetensors", 1 << 24);
}

inline RunOptions options(const std::string& out, const std::string& text, int threads) {
  return {.out = out, .config = text, .context = Context(ContextOptions{.threads = threads})};
}

}  // namespace eddy::test
