// Checkpoints: a folder with state.safetensors (model.*, ema.*, exp_avg.*, exp_avg_sq.*) and state.json.
#include <algorithm>
#include <cstdio>
#include <string_view>

#include "eddy/error.hpp"
#include "io/json.hpp"
#include "pipeline/run_files.hpp"
#include "pipeline/weights.hpp"
#include "tensor/storage.hpp"

namespace eddy::inline v0_1 {

namespace {

std::string numbered(const char* format, std::int64_t step) {
  char text[40];
  std::snprintf(text, sizeof text, format, static_cast<long long>(step));
  return text;
}

struct Saved {
  std::int64_t step;
  std::string folder;
};

// Complete ones, oldest first.
std::vector<Saved> checkpoints(const std::string& run) {
  std::vector<Saved> result;
  const std::string folder = join(run, "checkpoints");
  if (path_kind(folder) != PathKind::directory) return result;
  constexpr std::string_view kPrefix = "ckpt-";
  for (const std::string& name : list_directory(folder)) {
    if (!name.starts_with(kPrefix)) continue;
    const std::string number = name.substr(kPrefix.size());
    const bool complete = !number.empty() && number.size() <= 18 && number.find_first_not_of("0123456789") == std::string::npos;
    if (complete && path_kind(join(folder, name)) == PathKind::directory) result.push_back({std::stoll(number), join(folder, name)});
  }
  std::ranges::sort(result, {}, &Saved::step);
  return result;
}

struct Arena {
  const char* prefix;
  const Tensor& tensor;
};

std::vector<Arena> arenas(const Optimizer& o) {
  return {{"ema.", o.average()}, {"exp_avg.", o.first_moment()}, {"exp_avg_sq.", o.second_moment()}};
}

}  // namespace

std::string checkpoint_folder(const std::string& run, std::int64_t step) {
  return join(join(run, "checkpoints"), numbered("ckpt-%08lld", step));
}
std::string sample_file(const std::string& run, std::int64_t step) {
  return join(join(run, "samples"), numbered("step_%06lld.png", step));
}

std::string newest_checkpoint(const std::string& run) {
  const auto all = checkpoints(run);
  return all.empty() ? std::string{} : all.back().folder;
}

void prune_checkpoints(const std::string& run, std::int64_t step, std::int64_t keep) {
  auto all = checkpoints(run);
  std::erase_if(all, [step](const Saved& saved) { return saved.step >= step; });
  for (std::size_t i = 0; i + static_cast<std::size_t>(keep) <= all.size(); ++i) remove_path(all[i].folder);
}

std::int64_t remove_checkpoints_after(const std::string& run, std::int64_t step) {
  std::int64_t removed = 0;
  for (const Saved& saved : checkpoints(run)) {
    if (saved.step <= step) continue;
    remove_path(saved.folder);
    ++removed;
  }
  return removed;
}

void save_checkpoint(const std::string& folder, const Optimizer& optimizer, const Position& position) {
  std::vector<NamedValues> values;
  const auto& parameters = optimizer.parameters();
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const Parameter& p = parameters[i];
    const std::vector<std::int64_t> shape(p.shape().extents().begin(), p.shape().extents().end());
    values.push_back({"model." + p.name(), shape, p.value().values()});
    for (const auto& [prefix, tensor] : arenas(optimizer)) {
      if (tensor.defined()) values.push_back({prefix + p.name(), shape, optimizer.part(tensor, i).values()});
    }
  }
  make_directories(parent(folder));
  write_directory(folder, [&](const std::string& directory) {
    write_safetensors(join(directory, "state.safetensors"), values);
    write_json(join(directory, "state.json"), {{"step", position.train.step},
                                               {"skipped", position.train.skipped},
                                               {"skipped_in_row", position.train.skipped_in_row},
                                               {"applied", optimizer.applied()},
                                               {"seconds", position.seconds}});
  });
}

Position load_checkpoint(const std::string& folder, const Optimizer& optimizer) {
  const std::string path = join(folder, "state.json");
  const Json json = read_json(path);
  JsonFields f(json, path);
  constexpr std::int64_t most = std::int64_t{1} << 40;
  Position position;
  position.train.step = f.integer("step", 0, 0, most);
  position.train.skipped = f.integer("skipped", 0, 0, most);
  position.train.skipped_in_row = f.integer("skipped_in_row", 0, 0, most);
  const std::int64_t applied = f.integer("applied", 0, 0, most);
  position.seconds = f.number("seconds", 0);
  f.finish();
  const SafetensorsFile file(join(folder, "state.safetensors"));
  read_weights(file, optimizer.parameters(), "model.");
  for (const auto& [prefix, tensor] : arenas(optimizer)) {
    if (!tensor.defined()) continue;
    for (std::size_t i = 0; i < optimizer.parameters().size(); ++i) {
      const Parameter& p = optimizer.parameters()[i];
      const SafetensorsEntry* entry = file.find(prefix + p.name());
      const Tensor part = optimizer.part(tensor, i);
      if (entry == nullptr || !std::ranges::equal(entry->shape, p.shape().extents())) {
        throw Error(file.path() + ": needs " + prefix + p.name() + " of shape " + to_string(p.shape()));
      }
      file.read(*entry, {Tensor::Access::write(part), static_cast<std::size_t>(part.elements())});
    }
  }
  optimizer.set_applied(applied);
  return position;
}

}  // namespace eddy::inline v0_1
