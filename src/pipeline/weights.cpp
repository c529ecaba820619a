// Which tensor of the files is which parameter.
#include "pipeline/weights.hpp"

#include <algorithm>
#include <array>
#include <set>

#include "eddy/error.hpp"

namespace eddy::inline v0_1 {

namespace {

// The name that diffusers gave a parameter of attention before 0.14, "" when it had none.
std::string old_name(const std::string& name) {
  constexpr std::array<std::pair<const char*, const char*>, 4> pairs{
      {{".to_q.", ".query."}, {".to_k.", ".key."}, {".to_v.", ".value."}, {".to_out.0.", ".proj_attn."}}};
  for (const auto& [now, then] : pairs) {
    if (const std::size_t at = name.find(now); at != std::string::npos) {
      return name.substr(0, at) + then + name.substr(at + std::string(now).size());
    }
  }
  return {};
}

}  // namespace

std::vector<WeightFiles::Place> find_weights(const WeightFiles& files, std::span<const Parameter> parameters,
                                             const std::string& prefix) {
  std::vector<WeightFiles::Place> result;
  std::set<const SafetensorsEntry*> used;
  for (const Parameter& p : parameters) {
    const WeightFiles::Place* place = files.find(prefix + p.name());
    const std::string old = old_name(p.name());
    if (place == nullptr && !old.empty()) place = files.find(prefix + old);
    if (place == nullptr) throw Error(files.source() + ": there is no " + prefix + p.name());
    const SafetensorsEntry& entry = *place->entry;
    if (!std::ranges::equal(entry.shape, p.shape().extents())) {
      throw Error(place->file->path() + ": " + entry.name + " must be " + to_string(p.shape()) + ", got " +
                  shape_text(entry.shape));
    }
    place->file->check_floating(entry);
    used.insert(&entry);
    result.push_back(*place);
  }
  if (!prefix.empty() || used.size() == files.tensors().size()) return result;
  for (const auto& [name, place] : files.tensors()) {
    if (!used.contains(place.entry)) throw Error(place.file->path() + ": the model has no parameter " + name.substr(0, 200));
  }
  return result;
}

void read_weights(const WeightFiles& files, std::span<const Parameter> parameters, const std::string& prefix) {
  const auto places = find_weights(files, parameters, prefix);
  for (std::size_t i = 0; i < parameters.size(); ++i) places[i].file->read(*places[i].entry, parameters[i].write());
}

}  // namespace eddy::inline v0_1
