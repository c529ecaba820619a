// Progress on stderr: a bar on a terminal, plain lines otherwise.
#pragma once

#include <cstdint>
#include <string>

namespace eddy::cli {

class Progress {
 public:
  explicit Progress(std::string unit);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // `more` follows the speed: ", loss 0.0312".
  void show(std::int64_t done, std::int64_t of, const std::string& more = {});
  // A line of its own.
  void line(const std::string& text);

 private:
  void clear();
  std::string unit_;
  bool terminal_;
  bool drawn_ = false;
  std::int64_t first_ = -1;
  double start_ = 0, last_ = 0;
};

}  // namespace eddy::cli
