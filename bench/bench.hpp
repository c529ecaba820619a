// What the parts of the benchmark share.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "eddy/context.hpp"
#include "io/json.hpp"

namespace eddy::bench {

struct Times {
  double first, least, median;  // seconds
};

// Calls f, which returns its seconds, once, once more, and then `count` times that count.
template <class F>
Times timed_by_itself(int count, const F& f) {
  const double first = f();
  f();
  std::vector<double> seconds;
  for (int i = 0; i < count; ++i) seconds.push_back(f());
  std::ranges::sort(seconds);
  return {first, seconds.front(), seconds[seconds.size() / 2]};
}

template <class F>
Times timed(int count, const F& f) {
  return timed_by_itself(count, [&] {
    const double begun = now();
    f();
    return now() - begun;
  });
}

struct Options {
  std::string what, config, folder, sampler, scheduler = "{}";
  std::int64_t batch = 8;
  int iterations = 7, threads = 0, steps = 20;
  bool checkpoint = false, bf16 = false;
};

// GFLOP/s of the context's threads in independent multiply-adds, fused where the instruction set has them.
double peak_gflops(const Context& context);
// The same over about half a second, shared out in small tiles, in one go.
double sustained_gflops(const Context& context);

void print(const Json& line);
void run_kernels(const Options& options, const Context& context);
void run_model(const Options& options, const Context& context);
void run_threads(const Options& options, const Context& context);
void run_idle(const Options& options, const Context& context);
void run_samplers(const Options& options, const Context& context);

}  // namespace eddy::bench
