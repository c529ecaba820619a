// JSON documents, strict: no duplicate keys, no comments, at most 64 levels. Python writes Infinity, -Infinity and NaN, which
// JSON has not: they are read and written under one key that diffusers gives such a value, and refused elsewhere.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace eddy::inline v0_1 {

using Json = nlohmann::json;  // objects sort their keys

// The one key that may hold a number which is not finite: diffusers' DPMSolver schedulers have it, -Infinity by default.
constexpr const char* kNonFiniteKey = "lambda_min_clipped";

// Throws Error naming `source` (a path) and the place.
Json parse_json(const std::string& text, const std::string& source);
Json read_json(const std::string& path);
// Indent 2, sorted keys, a final newline. A number that is not finite is null under any other key.
std::string json_text(const Json& json);
void write_json(const std::string& path, const Json& json);

// Fields of one object, each checked. finish() throws Error, or calls `unknown`, for keys that nobody asked for.
class JsonFields {
 public:
  JsonFields(const Json& object, std::string source);
  bool has(const std::string& key) const;  // present and not null
  std::int64_t integer(const std::string& key, std::int64_t otherwise, std::int64_t low, std::int64_t high);
  double number(const std::string& key, double otherwise);
  std::optional<double> optional_number(const std::string& key);
  bool boolean(const std::string& key, bool otherwise);
  std::string text(const std::string& key, const std::string& otherwise);
  std::vector<std::int64_t> integers(const std::string& key, const std::vector<std::int64_t>& otherwise, std::int64_t low,
                                     std::int64_t high);
  std::vector<double> numbers(const std::string& key);
  std::vector<std::string> texts(const std::string& key, const std::vector<std::string>& otherwise);
  // The value as it is; null when absent. The key counts as known.
  const Json& raw(const std::string& key);
  void finish(const std::function<void(const std::string& key)>& unknown = {}) const;
  // Every key that was asked for, with its value or what it is otherwise.
  const Json& resolved() const noexcept { return resolved_; }
  // "config.json: norm_eps: must be ..., got ..."
  [[noreturn]] void refuse(const std::string& key, const std::string& expected) const;

 private:
  const Json* find(const std::string& key, const Json& otherwise = {});
  const Json& object_;
  std::string source_;
  Json resolved_ = Json::object();
};

}  // namespace eddy::inline v0_1
