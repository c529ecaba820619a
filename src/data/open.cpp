// Data sets from files: what a name or path means is decided by what is there.
#include <algorithm>
#include <array>

#include "base/boundary.hpp"
#include "base/files.hpp"
#include "eddy/data.hpp"
#include "eddy/error.hpp"
#include "io/arrays.hpp"
#include "io/image.hpp"

namespace eddy::inline v0_1 {

namespace {

const char* const kFashionFolder = "/usr/share/datasets/fashion-mnist";
const std::vector<std::string> kFashionNames{"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
                                             "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};
const std::vector<std::string> kDigitNames{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
const std::vector<std::string> kCifarNames{"airplane", "automobile", "bird",  "cat",  "deer",
                                           "dog",      "frog",       "horse", "ship", "truck"};

// The first labels of Fashion-MNIST's training part, by which its files are known wherever they lie.
constexpr std::array<std::uint8_t, 20> kFashionStart{9, 0, 0, 3, 0, 2, 7, 2, 5, 5, 0, 9, 5, 5, 7, 9, 1, 0, 6, 4};

// The first of the names, gzipped or not, that is in the folder; "" when none is.
std::string find_idx(const std::string& folder, const std::string& stem) {
  for (const char* ending : {"", ".gz"}) {
    const std::string path = join(folder, stem + ending);
    if (path_kind(path) == PathKind::file) return path;
  }
  return {};
}

std::shared_ptr<const Dataset> idx_part(const std::string& folder, const std::string& part,
                                        const std::vector<std::string>& names) {
  const std::string pictures = find_idx(folder, part + "-images-idx3-ubyte");
  const std::string labels = find_idx(folder, part + "-labels-idx1-ubyte");
  if (pictures.empty()) return nullptr;
  ByteArray array = read_idx(pictures);
  if (array.shape.size() != 3) throw Error("data " + pictures + ": must have 3 extents (N, H, W)");
  std::vector<std::int64_t> classes;
  if (!labels.empty()) {
    const ByteArray bytes = read_idx(labels);
    classes.assign(bytes.bytes.begin(), bytes.bytes.end());
    if (static_cast<std::int64_t>(classes.size()) != array.shape[0]) {
      throw Error("data " + labels + ": " + std::to_string(classes.size()) + " labels for the " +
                  std::to_string(array.shape[0]) + " pictures of " + pictures);
    }
    const auto known = static_cast<std::int64_t>(names.size());
    if (std::ranges::any_of(classes, [known](std::int64_t label) { return label >= known; })) {
      throw Error("data " + labels + ": a label above " + std::to_string(names.size() - 1));
    }
  }
  return memory_pictures(std::move(array.bytes), {array.shape[1], array.shape[2], 1}, std::move(classes),
                         labels.empty() ? std::vector<std::string>{} : names);
}

bool is_fashion(const std::string& folder) {
  const std::string labels = find_idx(folder, "train-labels-idx1-ubyte");
  if (labels.empty()) return false;
  const ByteArray array = read_idx(labels);
  return array.bytes.size() >= kFashionStart.size() &&
         std::equal(kFashionStart.begin(), kFashionStart.end(), array.bytes.begin());
}

Data open_idx(const std::string& folder) {
  const auto& names = is_fashion(folder) ? kFashionNames : kDigitNames;
  return {idx_part(folder, "train", names), idx_part(folder, "t10k", names)};
}

std::shared_ptr<const Dataset> cifar_part(const std::vector<std::string>& paths) {
  std::vector<std::uint8_t> bytes;
  std::vector<std::int64_t> labels;
  for (const std::string& path : paths) {
    const CifarRecords records = read_cifar10(path);
    bytes.insert(bytes.end(), records.pictures.bytes.begin(), records.pictures.bytes.end());
    labels.insert(labels.end(), records.labels.begin(), records.labels.end());
  }
  return memory_pictures(std::move(bytes), {32, 32, 3}, std::move(labels), kCifarNames);
}

Data open_cifar(const std::string& folder) {
  std::vector<std::string> train;
  for (const std::string& name : list_directory(folder)) {
    if (name.starts_with("data_batch_") && name.ends_with(".bin")) train.push_back(join(folder, name));
  }
  const std::string test = join(folder, "test_batch.bin");
  return {cifar_part(train), exists(test) ? cifar_part({test}) : nullptr};
}

struct Found {
  std::vector<std::string> pictures;
  std::vector<std::int64_t> labels;
  std::int64_t skipped = 0;
};

void collect(const std::string& folder, std::int64_t label, int depth, Found& found) {
  if (depth > 16) throw Error("data " + folder + ": folders are nested more than 16 deep");
  for (const std::string& name : list_directory(folder)) {
    const std::string path = join(folder, name);
    if (name.starts_with('.')) continue;
    if (path_kind(path) == PathKind::directory) {
      collect(path, label, depth + 1, found);
    } else if (is_picture_name(name)) {
      found.pictures.push_back(path);
      found.labels.push_back(label);
    } else {
      ++found.skipped;
    }
  }
}

// Sub-folders are classes, by name; what lies beside them belongs to none.
std::vector<std::string> collect_classes(const std::string& folder, Found& found) {
  std::vector<std::string> names;
  for (const std::string& name : list_directory(folder)) {
    const std::string path = join(folder, name);
    if (name.starts_with('.')) continue;
    if (path_kind(path) != PathKind::directory) {
      ++found.skipped;
      continue;
    }
    const std::size_t before = found.pictures.size();
    collect(path, static_cast<std::int64_t>(names.size()), 0, found);
    if (found.pictures.size() == before) {
      throw Error("data " + path + ": a class without PNG, JPEG or BMP pictures; fill the folder, or take it away");
    }
    names.push_back(name);
  }
  if (names.empty()) throw Error("data " + folder + ": --class-folders needs sub-folders, one a class");
  return names;
}

Data open_pictures(const std::string& folder, const DataOptions& o) {
  Found found;
  std::vector<std::string> names;
  if (o.class_folders) {
    names = collect_classes(folder, found);
  } else {
    collect(folder, 0, 0, found);
    found.labels.clear();
  }
  if (found.pictures.empty()) {
    throw Error("data " + folder + ": found no PNG, JPEG or BMP pictures, no IDX files and no CIFAR-10 batches");
  }
  DataOptions size = o;
  std::vector<std::uint8_t> bytes;
  for (const std::string& path : found.pictures) {
    const Picture picture = read_picture(path, size.channels > 0 ? size.channels : 3);
    if (size.channels == 0) size.channels = 3;
    if (size.height == 0) size.height = picture.height;
    if (size.width == 0) size.width = picture.width;
    const Picture cut = resized_and_cropped(picture, static_cast<int>(size.width), static_cast<int>(size.height));
    bytes.insert(bytes.end(), cut.pixels.begin(), cut.pixels.end());
  }
  const Shape shape{size.height, size.width, size.channels};
  return {memory_pictures(std::move(bytes), shape, std::move(found.labels), std::move(names)), nullptr, found.skipped};
}

// The options are for pictures that can be brought to a size; here the files have said it all.
Data as_it_is(Data data, const std::string& spec, const DataOptions& o) {
  const Shape shape = data.train->sample_shape();
  const bool pictures = shape.rank() == 3;
  const auto differs = [&](std::int64_t asked, int axis) { return asked != 0 && !(pictures && asked == shape[axis]); };
  if (differs(o.height, 0) || differs(o.width, 1) || differs(o.channels, 2)) {
    throw Error("data " + spec + ": its samples are " + to_string(shape) + ", asked for are height " + std::to_string(o.height) +
                ", width " + std::to_string(o.width) + ", channels " + std::to_string(o.channels) +
                " (0: any); only pictures of a folder are brought to a size (--size, --channels)");
  }
  if (o.class_folders) throw Error("data " + spec + ": class_folders (--class-folders) is for folders of pictures");
  return data;
}

}  // namespace

Data open_data(const std::string& spec, const DataOptions& options) try {
  if (options.channels != 0 && options.channels != 1 && options.channels != 3) {
    throw Error("data: channels must be 1 or 3, got " + std::to_string(options.channels));
  }
  constexpr std::int64_t kMostPixels = 1 << 24;
  if (std::min(options.height, options.width) < 0 || std::max(options.height, options.width) > kMostPixels ||
      options.height * options.width > kMostPixels) {
    throw Error("data: height and width must not be negative, and make at most 2^24 pixels, got " +
                std::to_string(options.height) + " and " + std::to_string(options.width));
  }
  if (spec == "fashion-mnist") {
    if (find_idx(kFashionFolder, "train-images-idx3-ubyte").empty()) {
      throw Error(std::string("data fashion-mnist: not found in ") + kFashionFolder +
                  "; Debian's package dataset-fashion-mnist brings it, or give a folder with its four IDX files");
    }
    return as_it_is(open_idx(kFashionFolder), spec, options);
  }
  switch (path_kind(spec)) {
    case PathKind::missing:
      throw Error("data " + spec + ": there is no such file or folder (and no data set of that name; known: fashion-mnist)");
    case PathKind::other:
      throw Error("data " + spec + ": neither a file nor a folder");
    case PathKind::file:
      if (lower_extension(spec) == ".csv") return as_it_is({memory_samples(read_csv(spec)), nullptr}, spec, options);
      throw Error("data " + spec + ": a single file must be a .csv of numbers; else give a folder");
    case PathKind::directory:
      break;
  }
  if (!find_idx(spec, "train-images-idx3-ubyte").empty()) return as_it_is(open_idx(spec), spec, options);
  if (exists(join(spec, "data_batch_1.bin"))) return as_it_is(open_cifar(spec), spec, options);
  return open_pictures(spec, options);
} catch (...) {
  throw_as_error("open_data");
}

}  // namespace eddy::inline v0_1
