// Plain arrays of duals: what the naive references work on.
#pragma once

#include <cstdint>
#include <vector>

#include "reference/dual.hpp"

namespace eddy::test {

struct Array {
  std::vector<std::int64_t> shape;
  std::vector<Dual> at;

  Array() = default;  // absent
  explicit Array(std::vector<std::int64_t> s) : shape(std::move(s)), at(static_cast<std::size_t>(count(shape))) {}

  bool given() const { return !at.empty(); }
  std::int64_t extent(int i) const { return shape[static_cast<std::size_t>(i < 0 ? i + static_cast<int>(shape.size()) : i)]; }
  std::int64_t elements() const { return static_cast<std::int64_t>(at.size()); }
  Dual& operator[](std::int64_t i) { return at[static_cast<std::size_t>(i)]; }
  const Dual& operator[](std::int64_t i) const { return at[static_cast<std::size_t>(i)]; }
  // The element of these indices, counted from the outermost.
  template <class... Index>
  Dual& operator()(Index... index) {
    return at[place({static_cast<std::int64_t>(index)...})];
  }
  template <class... Index>
  const Dual& operator()(Index... index) const {
    return at[place({static_cast<std::int64_t>(index)...})];
  }

  static std::int64_t count(const std::vector<std::int64_t>& s) {
    std::int64_t n = 1;
    for (const std::int64_t e : s) n *= e;
    return n;
  }

 private:
  std::size_t place(std::initializer_list<std::int64_t> index) const {
    std::int64_t result = 0;
    std::size_t i = 0;
    for (const std::int64_t k : index) result = result * shape[i++] + k;
    return static_cast<std::size_t>(result);
  }
};

}  // namespace eddy::test
