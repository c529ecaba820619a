// metrics.csv.
#include "pipeline/run_files.hpp"

#include <algorithm>
#include <cstdlib>

#include "base/files.hpp"

namespace eddy::inline v0_1 {

namespace {

const char* const kHeading =
    "step,loss,grad_norm,lr,images_per_second,seconds,held_out,held_out_q1,held_out_q2,held_out_q3,held_out_q4,"
    "held_out_ema,held_out_ema_q1,held_out_ema_q2,held_out_ema_q3,held_out_ema_q4\n";

}  // namespace

Metrics::Metrics(std::string path, std::int64_t step) : path_(std::move(path)), text_(kHeading) {
  if (step == 0 || !exists(path_)) return;
  const std::string old = read_file(path_, std::uint64_t{1} << 30);
  for (std::size_t begin = old.find('\n') + 1; begin != 0 && begin < old.size();) {
    const std::size_t end = old.find('\n', begin);
    if (end == std::string::npos) break;  // a half line
    if (std::atoll(old.c_str() + begin) > step) break;
    text_.append(old, begin, end + 1 - begin);
    begin = end + 1;
  }
}

std::string Metrics::last_line() const {
  const std::size_t before = text_.rfind('\n', text_.size() - 2);
  return before == std::string::npos ? std::string{} : text_.substr(before + 1);
}

bool Metrics::lacks_held_out(std::int64_t step) const {
  const std::string line = last_line();
  constexpr std::ptrdiff_t kCommas = 5;  // of a line without them
  return !line.empty() && std::atoll(line.c_str()) == step && std::ranges::count(line, ',') == kCommas;
}

void Metrics::complete(const std::string& fields) { text_.insert(text_.size() - 1, fields); }

void Metrics::add(const std::string& line) { text_ += line + "\n"; }
void Metrics::flush() { write_file(path_, text_); }

}  // namespace eddy::inline v0_1
