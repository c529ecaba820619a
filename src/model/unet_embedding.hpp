// What a U-Net is told beside the picture: the time and the class, as one embedding.
#pragma once

#include <optional>

#include "model/blocks.hpp"

namespace eddy::inline v0_1 {

class UNetEmbedding {
 public:
  UNetEmbedding() = default;
  UNetEmbedding(const ParameterTree& tree, const UNetConfig& config);
  // t: (N); class_labels as UNet takes them -> (N, channels()).
  Tensor operator()(const Tensor& t, const Condition& condition) const;
  std::int64_t channels() const { return channels_; }

 private:
  Tensor projected(const Tensor& t, const char* argument) const;
  Tensor of_classes(const Tensor& labels, std::int64_t n) const;

  TimeEmbedding type_ = TimeEmbedding::positional;
  ClassEmbedding class_type_ = ClassEmbedding::none;
  TimestepEmbeddingOptions sinusoids_;
  std::int64_t channels_ = 0;
  bool takes_classes_ = false;
  Parameter frequencies_;  // of a fourier embedding
  Embedding steps_, class_table_;
  TimestepEmbedding time_, class_;
};

// t as (N) f32: (1) and scalars count for all samples.
Tensor times_of(const Tensor& t, std::int64_t n, const Context& context);

}  // namespace eddy::inline v0_1
