#include "cli/progress.hpp"

#include <unistd.h>

#include <chrono>
#include <cstdio>

namespace eddy::cli {

namespace {

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

std::string clock_text(double seconds) {
  const auto s = static_cast<long long>(seconds + 0.5);
  char text[40];
  if (s >= 3600) {
    std::snprintf(text, sizeof text, "%lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
  } else {
    std::snprintf(text, sizeof text, "%lld:%02lld", s / 60, s % 60);
  }
  return text;
}

}  // namespace

Progress::Progress(std::string unit) : unit_(std::move(unit)), terminal_(isatty(STDERR_FILENO) == 1) {}
Progress::~Progress() { clear(); }

void Progress::clear() {
  if (drawn_) std::fputs("\r\033[K", stderr);
  drawn_ = false;
}

void Progress::line(const std::string& text) {
  clear();
  std::fprintf(stderr, "%s\n", text.c_str());
}

void Progress::show(std::int64_t done, std::int64_t of, const std::string& more) {
  const double t = now();
  if (first_ < 0) {
    first_ = done;
    start_ = t;
    if (done != of) return;
  }
  if (done != of && t - last_ < (terminal_ ? 0.1 : 10.0)) return;
  last_ = t;
  const double speed = t > start_ ? static_cast<double>(done - first_) / (t - start_) : 0;
  char pace[60] = "", text[200];  // a single step has none
  if (speed > 0) std::snprintf(pace, sizeof pace, "  %.2f %s/s", speed, unit_.c_str());
  const std::string left = speed > 0 ? "  " + clock_text(static_cast<double>(of - done) / speed) + " left" : "";
  std::snprintf(text, sizeof text, "%lld/%lld%s%s%s", static_cast<long long>(done), static_cast<long long>(of), pace,
                more.c_str(), left.c_str());
  if (!terminal_) {
    std::fprintf(stderr, "%s\n", text);
    return;
  }
  constexpr std::int64_t width = 24;
  const std::int64_t filled = of > 0 ? width * done / of : width;
  std::string bar(static_cast<std::size_t>(filled), '#');
  bar.resize(width, '.');
  std::fprintf(stderr, "\r\033[K[%s] %s", bar.c_str(), text);
  std::fflush(stderr);
  drawn_ = true;
}

}  // namespace eddy::cli
