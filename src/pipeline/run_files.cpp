// metrics.csv.
#include "pipeline/run_files.hpp"

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

void Metrics::add(const std::string& line) { text_ += line + "\n"; }
void Metrics::flush() { write_file(path_, text_); }

}  // namespace eddy::inline v0_1
