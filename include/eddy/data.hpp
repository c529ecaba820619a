// Data sets and batches.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "eddy/network.hpp"
#include "eddy/tensor.hpp"

namespace eddy::inline v0_1 {

// Numbered samples of one shape; pictures are (H, W, C) in [-1, 1]. A user derives their own.
class EDDY_API Dataset {
 public:
  virtual ~Dataset();
  virtual std::int64_t size() const = 0;
  virtual Shape sample_shape() const = 0;  // (H, W, C), or (D)
  // Writes sample i; returns its class, or -1 when there are none.
  virtual std::int64_t fetch(std::int64_t i, std::span<float> out) const = 0;
  virtual std::vector<std::string> class_names() const { return {}; }
  // A number that changes with the content, not with its place; 0: unknown.
  virtual std::uint64_t fingerprint() const { return 0; }
  std::int64_t classes() const { return static_cast<std::int64_t>(class_names().size()); }
};

// A data set, and its test part when it has one.
struct Data {
  std::shared_ptr<const Dataset> train;
  std::shared_ptr<const Dataset> test;  // may be null
  std::int64_t skipped = 0;             // files of a folder of pictures that are none, or belong to no class; hidden ones aside
};

struct DataOptions {
  std::int64_t height = 0, width = 0;  // of pictures from folders; 0: those of the first picture
  int channels = 0;                    // of pictures from folders: 1 (gray) or 3; 0: 3
  bool class_folders = false;          // sub-folders are classes
};

// `spec`: "fashion-mnist" (Debian's package dataset-fashion-mnist; a folder of that name is ./fashion-mnist), a folder of IDX
// files (MNIST, Fashion-MNIST) or of CIFAR-10's binary version, a folder of PNG, JPEG and BMP pictures, or a .csv file of
// numbers. Throws Error that says what was looked for, and for options that the data cannot follow.
EDDY_API Data open_data(const std::string& spec, const DataOptions& options = {});

// Bytes 0 to 255 as pictures in [-1, 1]; labels may be empty.
EDDY_API std::shared_ptr<const Dataset> memory_pictures(std::vector<std::uint8_t> bytes, const Shape& sample_shape,
                                                        std::vector<std::int64_t> labels = {},
                                                        std::vector<std::string> class_names = {});
// Rows of x (N, ...) f32; labels may be empty.
EDDY_API std::shared_ptr<const Dataset> memory_samples(const Tensor& x, std::vector<std::int64_t> labels = {},
                                                       std::vector<std::string> class_names = {});
// Some samples of another.
EDDY_API std::shared_ptr<const Dataset> subset(std::shared_ptr<const Dataset> data, std::vector<std::int64_t> indices);

// A PNG, JPEG or BMP file as (1, height, width, channels) in [-1, 1], channels 1 or 3, scaled to cover the size and its middle cut
// out. Throws Error for a file that is none.
EDDY_API Tensor load_picture(const std::string& path, int channels, std::int64_t height, std::int64_t width,
                             const Context& context = {});
// Writes (N, H, W, 1 or 3) in [-1, 1] as one PNG, `columns` pictures a row (0: about square), two pixels apart; a single
// picture as it is. `text` goes into tEXt chunks.
// The file appears complete or not at all.
EDDY_API void save_png(const std::string& path, const Tensor& images, int columns = 0,
                       const std::vector<std::pair<std::string, std::string>>& text = {});
// Any f32 tensor as NumPy's .npy.
EDDY_API void save_npy(const std::string& path, const Tensor& tensor);

struct Batch {
  Tensor x;               // (N, H, W, C) or (N, D)
  Condition condition{};  // what the network is given beside x and t; a loader's labels are "class_labels", i64 (N)
  Tensor eps{};           // the noise that goes with x; empty: drawn by the objective
};

struct LoaderOptions {
  std::int64_t batch_size = 64;
  std::uint64_t seed = 0;
  bool flip = false;                // left to right, every other sample by a keyed coin
  double label_dropout = 0;         // chance that a label becomes `no_label`
  std::int64_t no_label = -1;       // row that means "no label"
};

// Batch k is a function of (seed, k): the samples run through a keyed shuffle of each epoch, across the ends of epochs.
// Several host threads may ask one loader for batches when the data set allows it.
class EDDY_API Loader {
 public:
  Loader(std::shared_ptr<const Dataset> data, const LoaderOptions& options);
  Batch batch(std::uint64_t k, const Context& context = {}) const;

 private:
  struct Epoch;
  struct Cache;
  std::shared_ptr<const Epoch> epoch(std::uint64_t number) const;
  std::shared_ptr<const Dataset> data_;
  LoaderOptions options_;
  std::shared_ptr<Cache> cache_;
};

}  // namespace eddy::inline v0_1
