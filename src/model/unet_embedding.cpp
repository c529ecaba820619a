// The embedding of time and class: a projection of t by its type, two linear layers, plus that of the class.
//
// A class_embed_type of timestep takes its labels through the projection of t. SiLU is the activation of both, whatever
// act_fn says, as in diffusers.
#include "model/unet_embedding.hpp"

#include <cmath>

#include "eddy/error.hpp"

namespace eddy::inline v0_1 {

namespace {

constexpr double kFourierScale = 16;  // [Song2020, H]

// t as rows of a table of `rows`.
Tensor steps_of(const Tensor& t, std::int64_t rows, const char* argument) {
  Tensor result = Tensor::uninitialised(t.shape(), DType::i64, t.context());
  const std::span<std::int64_t> steps = result.mutable_integers();
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const double value = t.values()[i];
    if (!(value >= 0 && value < static_cast<double>(rows) && value == std::floor(value))) {
      throw Error("UNet: with a learned time embedding " + std::string(argument) + " must be whole numbers in [0, " +
                  std::to_string(rows) + ") (num_train_timesteps), got " + std::to_string(value));
    }
    steps[i] = static_cast<std::int64_t>(value);
  }
  return result;
}

}  // namespace

UNetEmbedding::UNetEmbedding(const ParameterTree& tree, const UNetConfig& c)
    : type_(c.time_embedding_type), class_type_(c.class_embed_type) {
  const std::int64_t first = c.block_out_channels[0];
  sinusoids_ = {.channels = static_cast<int>(first), .flip_sin_to_cos = c.flip_sin_to_cos, .freq_shift = c.freq_shift};
  channels_ = c.time_embedding_dim.value_or(4 * first);
  takes_classes_ = class_type_ != ClassEmbedding::none || c.num_class_embeds;
  if (type_ == TimeEmbedding::fourier) {
    frequencies_ = tree.in("time_proj").add("weight", {first}, {Initializer::Kind::normal, kFourierScale});
    frequencies_.set_trainable(false);
  } else if (type_ == TimeEmbedding::learned) {
    steps_ = Embedding(tree.in("time_proj"), *c.num_train_timesteps, first);
  }
  const std::int64_t in = type_ == TimeEmbedding::fourier ? 2 * first : first;
  time_ = TimestepEmbedding(tree.in("time_embedding"), in, channels_, Activation::silu);
  if (class_type_ == ClassEmbedding::timestep) {
    class_ = TimestepEmbedding(tree.in("class_embedding"), in, channels_, Activation::silu);
  } else if (class_type_ == ClassEmbedding::none && c.num_class_embeds) {
    class_table_ = Embedding(tree.in("class_embedding"), *c.num_class_embeds, channels_);
  }
}

Tensor UNetEmbedding::projected(const Tensor& t, const char* argument) const {
  switch (type_) {
    case TimeEmbedding::fourier:
      return fourier_embedding(t, frequencies_.value());
    case TimeEmbedding::learned:
      return steps_(steps_of(t, steps_.weight.shape()[0], argument));
    case TimeEmbedding::positional:
      break;
  }
  return timestep_embedding(t, sinusoids_);
}

// (N, channels) or (1, channels).
Tensor UNetEmbedding::of_classes(const Tensor& labels, std::int64_t n) const {
  if (class_type_ == ClassEmbedding::identity) {
    if (labels.rank() != 2 || (labels.extent(0) != n && labels.extent(0) != 1) || labels.extent(1) != channels_) {
      throw Error("UNet: class_labels must be (" + std::to_string(n) + " or 1, " + std::to_string(channels_) +
                  ") for a class_embed_type of identity, got " + to_string(labels.shape()));
    }
    return labels;
  }
  if (class_type_ == ClassEmbedding::timestep) {
    return class_(projected(times_of(labels, n, time_.linear_1.weight.value().context()), "class_labels"));
  }
  if (labels.dtype() != DType::i64 || labels.rank() != 1 || (labels.extent(0) != n && labels.extent(0) != 1)) {
    throw Error("UNet: class_labels must be i64 (" + std::to_string(n) + ") or (1), got " + name(labels.dtype()) + " " +
                to_string(labels.shape()));
  }
  return class_table_(labels);
}

Tensor UNetEmbedding::operator()(const Tensor& t, const Condition& condition) const {
  Tensor embedded = time_(projected(t, "t"));
  bool given = false;
  for (const auto& [key, value] : condition) {
    if (key != "class_labels") throw Error("UNet: unknown condition '" + key + "'; it takes class_labels");
    if (given) throw Error("UNet: class_labels are given twice");
    if (!takes_classes_) throw Error("UNet: class_labels given, but the model has no class embedding");
    embedded = add(embedded, of_classes(value, t.extent(0)));
    given = true;
  }
  if (takes_classes_ && !given) throw Error("UNet: the model is conditioned on classes; pass class_labels");
  return embedded;
}

Tensor times_of(const Tensor& t, std::int64_t n, const Context& context) {
  if (t.defined() && t.rank() == 1 && t.extent(0) == n) return t;
  if (!t.defined() || t.elements() != 1) {
    throw Error("UNet: t must have one value, or one a sample (" + std::to_string(n) + "), got shape " +
                (t.defined() ? to_string(t.shape()) : "of an empty tensor"));
  }
  return add(Tensor::zeros({n}, context), reshape(t, {}));
}

}  // namespace eddy::inline v0_1
