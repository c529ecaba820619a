// Parameters and layers.
//
// A model is made in two steps: its layers declare parameters in a tree (names and shapes, as in diffusers' files), then
// one arena holds the values, filled by initialisers or from a file. Layers have no backward code: operations record.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "eddy/ops.hpp"
#include "eddy/tensor.hpp"

namespace eddy::inline v0_1 {

// How an element begins: keyed by (seed, name of the parameter, element).
struct Initializer {
  enum class Kind { zeros, ones, uniform, normal };
  Kind kind = Kind::zeros;
  double scale = 0;  // uniform: in (-scale, scale); normal: the deviation
};

// `paper`: uniform of variance 1 / mean(fan in, fan out), zero biases, zero last layers of residual branches, as the DDPM
// paper trains [Ho2020, B]. `torch`: PyTorch's defaults, which diffusers leaves untouched: uniform within
// 1 / sqrt(fan in), weights and biases.
enum class Initialisation { paper, torch };

// A handle to one named tensor of a model: copies see the same value. An empty one throws Error for all but defined().
class EDDY_API Parameter {
 public:
  Parameter() = default;
  const std::string& name() const;
  const Shape& shape() const;
  // On the tape as a leaf; throws Error before the tree is allocated.
  const Tensor& value() const;
  // Elements for writing; raises the version, so that derived forms are made anew.
  std::span<float> write() const;
  std::uint64_t version() const;
  // A frozen parameter costs nothing in backward.
  bool trainable() const;
  void set_trainable(bool trainable) const;
  bool defined() const noexcept { return state_ != nullptr; }

  struct State;

 private:
  friend class ParameterTree;
  std::shared_ptr<State> state_;
};

// Declared parameters, in order, with dotted names. Copies, and what `in` returns, are the same tree.
class EDDY_API ParameterTree {
 public:
  explicit ParameterTree(Initialisation style = Initialisation::paper);

  // The same tree; names declared through it begin with "<name>.".
  ParameterTree in(const std::string& name) const;
  const std::string& prefix() const noexcept { return prefix_; }
  Initialisation style() const;

  // Throws Error for a name that exists, or after allocate().
  Parameter add(const std::string& name, const Shape& shape, Initializer initializer) const;
  const std::vector<Parameter>& parameters() const;
  std::int64_t elements() const;

  // One arena for all values, zeros; each begins at a multiple of 64 bytes.
  void allocate(const Context& context = {}) const;
  bool allocated() const;
  // Fills every value by its initialiser.
  void initialise(std::uint64_t seed) const;
  // Copies the values of a tree of the same names and shapes.
  void copy_from(const ParameterTree& other) const;

  struct State;

 private:
  std::shared_ptr<State> state_;
  std::string prefix_;
};

// Initialisers of a weight in the tree's style; `zero` asks for a zero beginning where the style has them.
EDDY_API Initializer weight_initializer(const ParameterTree& tree, std::int64_t fan_in, std::int64_t fan_out,
                                        bool zero = false);
EDDY_API Initializer bias_initializer(const ParameterTree& tree, std::int64_t fan_in);

struct LinearOptions {
  bool bias = true;
  bool zero = false;  // begins at zero in the paper's style
};

// weight (out, in), bias (out).
struct EDDY_API Linear {
  Parameter weight, bias;
  Linear() = default;
  Linear(const ParameterTree& tree, std::int64_t in, std::int64_t out, const LinearOptions& options = {});
  Tensor operator()(const Tensor& x, const Tensor& residual = {}) const;
};

struct Conv2dLayerOptions {
  int kernel = 3;
  Conv2dOptions conv{.stride = 1, .pad_top = 1, .pad_left = 1, .pad_bottom = 1, .pad_right = 1};
  bool zero = false;
  bool bias = true;
};

// weight (out, in, kernel, kernel), bias (out).
struct EDDY_API Conv2d {
  Parameter weight, bias;
  Conv2dOptions options;
  Conv2d() = default;
  Conv2d(const ParameterTree& tree, std::int64_t in, std::int64_t out, const Conv2dLayerOptions& options = {});
  Tensor operator()(const Tensor& x, const Tensor& sample_bias = {}, const Tensor& residual = {}) const;
  Tensor operator()(const GroupNormed& x, const Tensor& sample_bias = {}, const Tensor& residual = {}) const;
  // A 1x1 kernel over x and x2 joined along the channels.
  Tensor joined(const Tensor& x, const Tensor& x2) const;
};

// weight, bias (channels). Throws Error when the groups do not divide the channels.
struct EDDY_API GroupNorm {
  Parameter weight, bias;
  GroupNormOptions options;
  GroupNorm() = default;
  GroupNorm(const ParameterTree& tree, std::int64_t channels, const GroupNormOptions& options);
  Tensor operator()(const Tensor& x, const Tensor& x2 = {}, const Tensor& scale = {}, const Tensor& shift = {}) const;
  // For a convolution that makes the output itself.
  GroupNormed of(const Tensor& x, const Tensor& x2 = {}, const Tensor& scale = {}, const Tensor& shift = {}) const;
};

// weight (rows, channels), normal of deviation 1.
struct EDDY_API Embedding {
  Parameter weight;
  Embedding() = default;
  Embedding(const ParameterTree& tree, std::int64_t rows, std::int64_t channels);
  Tensor operator()(const Tensor& indices) const;
};

}  // namespace eddy::inline v0_1
