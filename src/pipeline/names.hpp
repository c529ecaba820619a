// Enumerations as text has them.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "eddy/error.hpp"
#include "io/json.hpp"

namespace eddy::inline v0_1 {

// Names as text has them; the first that fits is the one that is written.
template <class T>
using Names = std::vector<std::pair<const char*, T>>;

template <class T>
T named(const JsonFields& fields, const std::string& key, const std::string& text, const Names<T>& names) {
  std::string all;
  for (const auto& [name, value] : names) {
    if (text == name) return value;
    all += (all.empty() ? "" : ", ") + std::string(name);
  }
  fields.refuse(key, "one of " + all);
}

template <class T>
std::string name_of(T value, const Names<T>& names) {
  const auto found = std::ranges::find(names, value, &std::pair<const char*, T>::second);
  if (found == names.end()) throw Error(std::string("no file can name this value; it must be of a kind with ") + names.front().first);
  return found->first;
}

template <class T>
std::vector<std::string> names_of(const std::vector<T>& values, const Names<T>& names) {
  std::vector<std::string> result;
  for (const T value : values) result.push_back(name_of(value, names));
  return result;
}

}  // namespace eddy::inline v0_1
