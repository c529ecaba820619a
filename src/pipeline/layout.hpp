// Names that other programs give to the parameters of the same U-Net, and what their shapes tell of its configuration.
//
// A layout maps a parameter's name in diffusers' UNet2DModel to the tensor of the file that holds it, so a file is understood
// when every parameter is found with its shape, and nothing is left over.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "eddy/model.hpp"
#include "io/json.hpp"
#include "pipeline/weight_files.hpp"

namespace eddy::inline v0_1 {

// A file's tensors without what all names begin with ("model.", "module.").
class Tensors {
 public:
  explicit Tensors(const WeightFiles& files);
  const WeightFiles::Place* find(const std::string& name) const { return files_->find(prefix_ + name); }
  bool has(const std::string& name) const { return find(name) != nullptr; }
  bool any(const std::string& beginning) const;  // whether a name begins so
  // Throws Error where the tensor is missing or has fewer extents.
  std::int64_t extent(const std::string& name, std::size_t axis) const;
  // How many of beginning + "0" + end, beginning + "1" + end, ... are there.
  int count(const std::string& beginning, const std::string& end) const;
  std::vector<std::string> names() const;
  const std::string& source() const { return files_->source(); }

 private:
  const WeightFiles* files_;
  std::string prefix_;
};

// Where a parameter's values lie. Of a tensor that holds queries, keys and values together, row i of a part (0, 1, 2) is row
// (i / block) 3 block + part block + i mod block: block = 1 where the three alternate, the channels of a head where each head
// has its three, all channels where the three follow each other.
struct Origin {
  std::vector<std::string> names;  // the file has one of them
  std::int64_t block = 0;          // 0: the tensor is the parameter
  std::int64_t part = 0;
  bool transposed = false;
};

// A parameter's name, taken apart.
struct ParameterName {
  enum class Where { outside, down, middle, up } where = Where::outside;
  enum class What { resnet, attention, sampler } what = What::resnet;
  std::size_t level = 0;  // of down_blocks and up_blocks
  std::size_t index = 0;  // of the block in its level
  std::string rest;       // "conv1.weight"; the whole name outside
};
ParameterName parse_name(const std::string& name);

// `text` with the beginning that `pairs` has replaced; the text as it is where none fits.
std::string renamed(const std::string& text, const std::vector<std::pair<std::string, std::string>>& pairs);
// 0, 1, 2 for to_q, to_k, to_v, else -1.
int part_of_qkv(const std::string& rest);
std::int64_t channels_at(const UNetConfig& config, const ParameterName& name);

struct Layout {
  const char* name;
  bool (*fits)(const Tensors&);
  // Fields of a UNet2DModel's config.json. Throws Error for what no UNet2DModel is.
  Json (*deduce)(const Tensors&);
  Origin (*origin)(const std::string& parameter, const UNetConfig& config, const Tensors&, bool new_attention_order);
  // Whether a tensor that no parameter needs may be left out; throws Error where it shows another network.
  bool (*spare)(const std::string& name, const Tensors&);
  // The scheduler_config.json that goes with it, and its pipeline.
  Json (*scheduler)(const UNetConfig& config, const Tensors&);
};

extern const Layout kDdpmLayout, kGuidedLayout, kEdmLayout;

// The layout of a file; null for that of diffusers. Throws Error for others, naming those that are understood.
const Layout* layout_of(const Tensors& tensors);

// DDPMScheduler with the betas of [Ho2020], with a learned variance where the network has twice as many outputs.
Json ddpm_scheduler(const UNetConfig& config, const Tensors& tensors);

}  // namespace eddy::inline v0_1
