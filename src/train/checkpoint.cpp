// Checkpoints: an optimiser's arenas and the position of its training, as files.
#include <algorithm>
#include <vector>

#include "base/boundary.hpp"
#include "eddy/error.hpp"
#include "eddy/train.hpp"
#include "io/json.hpp"
#include "io/safetensors.hpp"
#include "tensor/storage.hpp"

namespace eddy::inline v0_1 {

namespace {

const char* const kTensors = "state.safetensors";
const char* const kPosition = "state.json";

// A tensor of the file, and where it lives.
struct Part {
  std::string name;
  Tensor tensor;
};

std::vector<Part> parts_of(const Optimizer& o) {
  std::vector<Part> result;
  for (std::size_t i = 0; i < o.parameters().size(); ++i) {
    const Parameter& p = o.parameters()[i];
    result.push_back({"model." + p.name(), p.value()});
    if (o.average().defined()) result.push_back({"ema." + p.name(), o.part(o.average(), i)});
    result.push_back({"exp_avg." + p.name(), o.part(o.first_moment(), i)});
    result.push_back({"exp_avg_sq." + p.name(), o.part(o.second_moment(), i)});
  }
  return result;
}

}  // namespace

void save_checkpoint(const std::string& folder, const Optimizer& optimizer, const TrainState& state) try {
  std::vector<NamedValues> values;
  for (const Part& part : parts_of(optimizer)) {
    const auto extents = part.tensor.shape().extents();
    values.push_back({part.name, {extents.begin(), extents.end()}, part.tensor.values()});
  }
  write_directory(folder, [&](const std::string& directory) {
    write_safetensors(join(directory, kTensors), values);
    write_json(join(directory, kPosition), {{"step", state.step},
                                            {"skipped", state.skipped},
                                            {"skipped_in_row", state.skipped_in_row},
                                            {"applied", optimizer.applied()},
                                            {"seconds", state.seconds}});
  });
} catch (...) {
  throw_as_error("save_checkpoint");
}

TrainState load_checkpoint(const std::string& folder, const Optimizer& optimizer) try {
  const std::string path = join(folder, kPosition);
  const Json json = read_json(path);
  JsonFields f(json, path);
  constexpr std::int64_t most = std::int64_t{1} << 40;
  TrainState state;
  state.step = f.integer("step", 0, 0, most);
  state.skipped = f.integer("skipped", 0, 0, most);
  state.skipped_in_row = f.integer("skipped_in_row", 0, 0, most);
  const std::int64_t applied = f.integer("applied", 0, 0, most);
  state.seconds = f.number("seconds", 0);
  f.finish();

  const SafetensorsFile file(join(folder, kTensors));
  const std::vector<Part> parts = parts_of(optimizer);
  std::vector<const SafetensorsEntry*> entries;
  for (const Part& part : parts) {
    entries.push_back(file.find(part.name));
    if (entries.back() == nullptr || !std::ranges::equal(entries.back()->shape, part.tensor.shape().extents())) {
      throw Error(file.path() + ": needs " + part.name + " of shape " + to_string(part.tensor.shape()));
    }
  }
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const Tensor& to = parts[i].tensor;
    file.read(*entries[i], {Tensor::Access::write(to), static_cast<std::size_t>(to.elements())});
  }
  for (const Parameter& p : optimizer.parameters()) p.write();  // what is derived from the old weights is not theirs
  optimizer.set_applied(applied);
  return state;
} catch (...) {
  throw_as_error("load_checkpoint");
}

}  // namespace eddy::inline v0_1
