// Reading and writing JSON over nlohmann's parser; its exceptions end here.
#include "io/json.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include "base/files.hpp"
#include "eddy/error.hpp"

namespace eddy::inline v0_1 {

namespace {

constexpr std::uint64_t kMaxBytes = 100'000'000;
constexpr int kMaxDepth = 64;

// Builds the document through the parser's events, to see duplicate keys and depth.
class Checker {
 public:
  explicit Checker(std::string source) : source_(std::move(source)) {}
  bool operator()(int depth, Json::parse_event_t event, Json& parsed) {
    if (depth > kMaxDepth) throw Error(source_ + ": more than 64 levels of JSON");
    if (event == Json::parse_event_t::object_start) keys_.emplace_back();
    if (event == Json::parse_event_t::object_end) keys_.pop_back();
    if (event == Json::parse_event_t::key && !keys_.back().insert(parsed.get<std::string>()).second) {
      throw Error(source_ + ": the key '" + parsed.get<std::string>().substr(0, 200) + "' stands there twice");
    }
    return true;
  }

 private:
  std::string source_;
  std::vector<std::set<std::string>> keys_;
};

// Brackets deeper than the limit are refused before parsing: a parser's tree of any depth can overflow the stack.
void check_depth(const std::string& text, const std::string& source) {
  int depth = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\') ++i;
      if (c == '"') quoted = false;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{' || c == '[') {
      if (++depth > kMaxDepth) throw Error(source + ": more than 64 levels of JSON");
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
}

std::string shown(const Json& value) {
  std::string text = value.dump(-1, ' ', true, Json::error_handler_t::replace);
  return text.size() > 200 ? text.substr(0, 200) + "..." : text;
}

}  // namespace

Json parse_json(const std::string& text, const std::string& source) {
  if (text.find('\0') != std::string::npos) throw Error(source + ": a zero byte in JSON");
  check_depth(text, source);
  try {
    Checker checker(source);
    return Json::parse(text, std::ref(checker));
  } catch (const Json::exception& e) {
    throw Error(source + ": not valid JSON: " + std::string(e.what()).substr(0, 300));
  }
}

Json read_json(const std::string& path) { return parse_json(read_file(path, kMaxBytes), path); }

std::string json_text(const Json& json) {
  try {
    return json.dump(2, ' ', true) + "\n";
  } catch (const Json::exception& e) {
    throw Error(std::string("JSON: ") + e.what());
  }
}

void write_json(const std::string& path, const Json& json) { write_file(path, json_text(json)); }

JsonFields::JsonFields(const Json& object, std::string source) : object_(object), source_(std::move(source)) {
  if (!object.is_object()) throw Error(source_ + ": must be a JSON object, got " + shown(object));
}

const Json* JsonFields::find(const std::string& key, const Json& otherwise) {
  const auto found = object_.find(key);
  resolved_[key] = found == object_.end() ? otherwise : *found;
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

bool JsonFields::has(const std::string& key) const {
  const auto found = object_.find(key);
  return found != object_.end() && !found->is_null();
}

void JsonFields::refuse(const std::string& key, const std::string& expected) const {
  const auto found = object_.find(key);
  throw Error(source_ + ": " + key + ": must be " + expected + ", got " +
              (found == object_.end() ? "nothing" : shown(*found)));
}

namespace {

constexpr std::int64_t kFar = std::int64_t{1} << 40;  // said only to who is beyond it

std::string between(std::int64_t low, std::int64_t high, const Json& given) {
  if (high >= kFar && !(given.is_number() && given > low)) return "of at least " + std::to_string(low);
  return "from " + std::to_string(low) + " to " + std::to_string(high);
}

bool is_between(const Json& value, std::int64_t low, std::int64_t high) {
  if (!value.is_number_integer()) return false;
  if (value.is_number_unsigned() && value.get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX)) return false;
  return value.get<std::int64_t>() >= low && value.get<std::int64_t>() <= high;
}

}  // namespace

std::int64_t JsonFields::integer(const std::string& key, std::int64_t otherwise, std::int64_t low, std::int64_t high) {
  const Json* value = find(key, otherwise);
  if (value == nullptr) return otherwise;
  if (!is_between(*value, low, high)) refuse(key, "an integer " + between(low, high, *value));
  return value->get<std::int64_t>();
}

double JsonFields::number(const std::string& key, double otherwise) {
  const Json* value = find(key, otherwise);
  if (value == nullptr) return otherwise;
  if (!value->is_number() || !std::isfinite(value->get<double>())) refuse(key, "a number");
  return value->get<double>();
}

std::optional<double> JsonFields::optional_number(const std::string& key) {
  const Json* value = find(key);
  return value == nullptr ? std::nullopt : std::optional(number(key, 0));
}

bool JsonFields::boolean(const std::string& key, bool otherwise) {
  const Json* value = find(key, otherwise);
  if (value == nullptr) return otherwise;
  if (!value->is_boolean()) refuse(key, "true or false");
  return value->get<bool>();
}

std::string JsonFields::text(const std::string& key, const std::string& otherwise) {
  const Json* value = find(key, otherwise);
  if (value == nullptr) return otherwise;
  if (!value->is_string()) refuse(key, "a string");
  return value->get<std::string>();
}

std::vector<std::int64_t> JsonFields::integers(const std::string& key, const std::vector<std::int64_t>& otherwise,
                                               std::int64_t low, std::int64_t high) {
  const Json* value = find(key, otherwise);
  if (value == nullptr) return otherwise;
  const auto good = [&](const Json& entry) { return is_between(entry, low, high); };
  if (!value->is_array() || !std::ranges::all_of(*value, good)) refuse(key, "a list of integers " + between(low, high, *value));
  return value->get<std::vector<std::int64_t>>();
}

std::vector<double> JsonFields::numbers(const std::string& key) {
  const Json* value = find(key);
  if (value == nullptr) return {};
  if (!value->is_array()) refuse(key, "a list of numbers");
  std::vector<double> result;
  for (const Json& entry : *value) {
    if (!entry.is_number()) refuse(key, "a list of numbers");
    result.push_back(entry.get<double>());
  }
  return result;
}

std::vector<std::string> JsonFields::texts(const std::string& key, const std::vector<std::string>& otherwise) {
  const Json* value = find(key, otherwise);
  if (value == nullptr) return otherwise;
  if (!value->is_array()) refuse(key, "a list of strings");
  std::vector<std::string> result;
  for (const Json& entry : *value) {
    if (!entry.is_string()) refuse(key, "a list of strings");
    result.push_back(entry.get<std::string>());
  }
  return result;
}

const Json& JsonFields::raw(const std::string& key) {
  static const Json kNull;
  const Json* value = find(key);
  return value != nullptr ? *value : kNull;
}

void JsonFields::finish(const std::function<void(const std::string&)>& unknown) const {
  for (const auto& [key, value] : object_.items()) {
    if (resolved_.contains(key)) continue;
    if (!unknown) throw Error(source_ + ": unknown key '" + key.substr(0, 200) + "'");
    unknown(key);
  }
}

}  // namespace eddy::inline v0_1
