// The checkpoints of a run: their names, their order, and which are kept.
#include <algorithm>
#include <cstdio>
#include <string_view>

#include "base/files.hpp"
#include "pipeline/run_files.hpp"

namespace eddy::inline v0_1 {

namespace {

std::string numbered(const char* format, std::int64_t step) {
  char text[40];
  std::snprintf(text, sizeof text, format, static_cast<long long>(step));
  return text;
}

constexpr std::string_view kPrefix = "ckpt-";

struct Saved {
  std::int64_t step;
  std::string folder;
};

// Complete ones, oldest first.
std::vector<Saved> checkpoints(const std::string& run) {
  std::vector<Saved> result;
  const std::string folder = join(run, "checkpoints");
  if (path_kind(folder) != PathKind::directory) return result;
  for (const std::string& name : list_directory(folder)) {
    if (!name.starts_with(kPrefix)) continue;
    const std::string number = name.substr(kPrefix.size());
    const std::string path = join(folder, name);
    const bool complete = !number.empty() && number.size() <= 18 && number.find_first_not_of("0123456789") == std::string::npos;
    if (complete && path_kind(path) == PathKind::directory) result.push_back({std::stoll(number), path});
  }
  std::ranges::sort(result, {}, &Saved::step);
  return result;
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

std::int64_t checkpoint_step(const std::string& folder) { return std::stoll(base_name(folder).substr(kPrefix.size())); }

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

}  // namespace eddy::inline v0_1
