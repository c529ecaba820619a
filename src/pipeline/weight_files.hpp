// The weights of a model folder as diffusers lays them out:
//
//   diffusion_pytorch_model.safetensors                      or, in shards,
//   diffusion_pytorch_model-00001-of-00002.safetensors ...   and diffusion_pytorch_model.safetensors.index.json, whose
//                                                            weight_map tells the shard of each tensor
//   diffusion_pytorch_model.fp16.safetensors                 a variant: another set of weights of the same model; its shards are
//   diffusion_pytorch_model.fp16-00001-of-00002.safetensors  and diffusion_pytorch_model.safetensors.index.fp16.json
//
// An index goes before a file, as in diffusers. Pickles are never read.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "io/safetensors.hpp"

namespace eddy::inline v0_1 {

// The tensors of one file, or of all shards of an index.
class WeightFiles {
 public:
  struct Place {
    const SafetensorsFile* file;
    const SafetensorsEntry* entry;
  };

  // path: a .safetensors file, or a folder of which `variant` ("": none) is taken. Throws Error naming what is missing, a shard
  // that lacks a tensor of the index, a tensor that the index does not name, and for pickles how to convert them.
  explicit WeightFiles(const std::string& path, const std::string& variant = {});

  const std::string& source() const noexcept { return source_; }  // the file, or the index
  bool sharded() const noexcept { return sharded_; }
  const std::vector<std::unique_ptr<SafetensorsFile>>& files() const noexcept { return files_; }
  const std::map<std::string, Place>& tensors() const noexcept { return tensors_; }
  const Place* find(const std::string& name) const;

 private:
  void read_index(const std::string& folder);

  std::string source_;
  bool sharded_ = false;
  std::vector<std::unique_ptr<SafetensorsFile>> files_;
  std::map<std::string, Place> tensors_;
};

// Variants of which a folder has weights, sorted; "" stands for weights without one.
std::vector<std::string> variants_in(const std::string& folder);

// Throws Error for the name of a pickle (.bin, .ckpt, .pt, .pth, .pkl), saying how to make it safetensors.
void refuse_pickle(const std::string& path);

// Throws Error where no file name can hold the variant.
void check_variant(const std::string& variant);

// The tensors of a U-Net as diffusers writes them: in shards of at most `max_shard_size` bytes where one file would be larger (a
// tensor above it has a shard of its own), cut in the order of diffusers' model.
void write_weights(const std::string& folder, std::vector<TensorToWrite> tensors, const std::string& variant,
                   std::uint64_t max_shard_size);

}  // namespace eddy::inline v0_1
