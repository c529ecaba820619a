// Enumerations as text has them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "eddy/error.hpp"
#include "io/json.hpp"

namespace eddy::inline v0_1 {

// A table of names is a constexpr array of these: it is there before any constructor runs, so a host may hold configurations in
// static variables. The first that fits is the one that is written.
template <class T>
using Name = std::pair<const char*, T>;

template <class Table>
auto named(const JsonFields& fields, const std::string& key, const std::string& text, const Table& names) {
  std::string all;
  for (const auto& [name, value] : names) {
    if (text == name) return value;
    all += (all.empty() ? "" : ", ") + std::string(name);
  }
  fields.refuse(key, "one of " + all);
}

template <class T, std::size_t n>
std::string name_of(T value, const Name<T> (&names)[n]) {
  const auto found = std::ranges::find(names, value, &Name<T>::second);
  if (found == std::end(names)) {
    throw Error(std::string("no file can name this value; it must be of a kind with ") + names[0].first);
  }
  return found->first;
}

template <class T, std::size_t n>
std::vector<std::string> names_of(const std::vector<T>& values, const Name<T> (&names)[n]) {
  std::vector<std::string> result;
  for (const T value : values) result.push_back(name_of(value, names));
  return result;
}

}  // namespace eddy::inline v0_1
