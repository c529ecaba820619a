// Reading and writing JSON over nlohmann's parser; its exceptions end here. The text is what Python's json.dumps(indent=2,
// sort_keys=True) gives, but for the spelling of some floating-point numbers, which read back as equal.
#include "io/json.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>

#include "base/files.hpp"
#include "eddy/error.hpp"

namespace eddy::inline v0_1 {

namespace {

constexpr std::uint64_t kMaxBytes = 100'000'000;
constexpr int kMaxDepth = 64;

// What Python writes for numbers that JSON has no words for.
struct Word {
  std::string_view text;
  double value;
};
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr Word kWords[] = {{"NaN", std::numeric_limits<double>::quiet_NaN()}, {"Infinity", kInfinity}, {"-Infinity", -kInfinity}};

const Word* word_at(const std::string& text, std::size_t at) {
  for (const Word& word : kWords) {
    if (text.compare(at, word.text.size(), word.text) == 0) return &word;
  }
  return nullptr;
}

// A spelling of 0 that the text does not hold; "" where it would be long.
std::string spelling_not_in(const std::string& text) {
  constexpr std::size_t kLong = 100;
  std::size_t longest = 0, run = 0;
  for (const char c : text) {
    run = c == '0' ? run + 1 : 0;
    longest = std::max(longest, run);
  }
  return longest > kLong ? std::string{} : "0." + std::string(longest + 1, '0');
}

// Python's words as numbers that the parser takes: each becomes `stand_in`, and its value goes to `values`. A number's spelling
// has no escapes, so where the parser meets one that the text did not hold, a word stood. Strings are left as they are.
// Brackets deeper than the limit are refused here: a parser's tree of any depth can overflow the stack.
std::string without_words(const std::string& text, const std::string& source, const std::string& stand_in,
                          std::vector<double>& values) {
  std::string result;
  int depth = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted && c == '\\') {
      result += c;
      if (++i < text.size()) result += text[i];
      continue;
    }
    if (c == '"') quoted = !quoted;
    if (!quoted && (c == '{' || c == '[') && ++depth > kMaxDepth) throw Error(source + ": more than 64 levels of JSON");
    if (!quoted && (c == '}' || c == ']')) --depth;
    const Word* word = quoted ? nullptr : word_at(text, i);
    if (word == nullptr) {
      result += c;
      continue;
    }
    if (stand_in.empty()) throw Error(source + ": " + std::string(word->text) + " beside more than 100 zeros in a row");
    result += " " + stand_in + " ";  // blanks: 1NaN must not become a number
    values.push_back(word->value);
    i += word->text.size() - 1;
  }
  return result;
}

// Builds the document through the parser's events, to see duplicate keys, and words where none may be.
class Builder final : public nlohmann::json_sax<Json> {
 public:
  Builder(std::string source, std::string stand_in, std::vector<double> words)
      : source_(std::move(source)), stand_in_(std::move(stand_in)), words_(std::move(words)) {}
  Json take() { return std::move(root_); }

  bool null() override { return put(nullptr); }
  bool boolean(bool value) override { return put(value); }
  bool number_integer(number_integer_t value) override { return put(value); }
  bool number_unsigned(number_unsigned_t value) override { return put(value); }
  bool number_float(number_float_t value, const string_t& spelling) override {
    if (spelling != stand_in_) return put(value);
    if (key_ != kNonFiniteKey || open_.empty() || !open_.back()->is_object()) {
      throw Error(source_ + ": " + (key_.empty() ? "a value" : key_.substr(0, 200)) + ": must be a finite number; only " +
                  kNonFiniteKey + " may be Infinity, -Infinity or NaN");
    }
    return put(words_[next_word_++]);
  }
  bool string(string_t& value) override { return put(std::move(value)); }
  bool binary(binary_t& /*value*/) override { return false; }
  bool start_object(std::size_t /*elements*/) override { return open(Json::object()); }
  bool end_object() override { return close(); }
  bool start_array(std::size_t /*elements*/) override { return open(Json::array()); }
  bool end_array() override { return close(); }
  bool key(string_t& name) override {
    if (open_.back()->contains(name)) throw Error(source_ + ": the key '" + name.substr(0, 200) + "' stands there twice");
    key_ = name;
    return true;
  }
  bool parse_error(std::size_t /*position*/, const std::string& /*token*/, const Json::exception& e) override {
    throw Error(source_ + ": not valid JSON: " + std::string(e.what()).substr(0, 300));
  }

 private:
  Json* place(Json value) {
    if (open_.empty()) return &(root_ = std::move(value));
    Json& parent = *open_.back();
    if (parent.is_object()) return &(parent[key_] = std::move(value));
    parent.push_back(std::move(value));
    return &parent.back();
  }
  bool put(Json value) { return place(std::move(value)), true; }
  bool open(Json value) { return open_.push_back(place(std::move(value))), true; }
  bool close() { return open_.pop_back(), true; }

  std::string source_, stand_in_, key_;
  std::vector<double> words_;
  std::size_t next_word_ = 0;
  Json root_;
  std::vector<Json*> open_;  // what is not complete yet, outermost first; nothing moves while it stands here
};

// A value on one line, as Python's `json.dumps` has it.
std::string scalar(const Json& value, const std::string& key) {
  if (!value.is_number_float() || std::isfinite(value.get<double>()) || key != kNonFiniteKey) {
    return value.dump(-1, ' ', true);
  }
  const double x = value.get<double>();
  return std::isnan(x) ? "NaN" : x > 0 ? "Infinity" : "-Infinity";
}

void write(const Json& value, const std::string& key, std::size_t depth, std::string& to) {
  if (!value.is_structured() || value.empty()) {
    to += scalar(value, key);
    return;
  }
  const auto line = [&](std::size_t indent) { to.append(1, '\n').append(2 * indent, ' '); };
  to += value.is_object() ? "{" : "[";
  bool first = true;
  for (const auto& [name, entry] : value.items()) {
    if (!first) to += ",";
    first = false;
    line(depth + 1);
    if (value.is_object()) to += Json(name).dump(-1, ' ', true) + ": ";
    write(entry, value.is_object() ? name : std::string{}, depth + 1, to);
  }
  line(depth);
  to += value.is_object() ? "}" : "]";
}

std::string shown(const Json& value) {
  std::string text = value.dump(-1, ' ', true, Json::error_handler_t::replace);
  return text.size() > 200 ? text.substr(0, 200) + "..." : text;
}

}  // namespace

Json parse_json(const std::string& text, const std::string& source) {
  if (text.find('\0') != std::string::npos) throw Error(source + ": a zero byte in JSON");
  const std::string stand_in = spelling_not_in(text);
  std::vector<double> words;
  const std::string plain = without_words(text, source, stand_in, words);
  try {
    Builder builder(source, stand_in, std::move(words));
    Json::sax_parse(plain, &builder);
    return builder.take();
  } catch (const Json::exception& e) {
    throw Error(source + ": not valid JSON: " + std::string(e.what()).substr(0, 300));
  }
}

Json read_json(const std::string& path) { return parse_json(read_file(path, kMaxBytes), path); }

std::string json_text(const Json& json) {
  try {
    std::string text;
    write(json, {}, 0, text);
    return text + "\n";
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
  if (!value->is_number() || (key != kNonFiniteKey && !std::isfinite(value->get<double>()))) refuse(key, "a number");
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
