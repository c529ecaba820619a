// What threads gain and what they cost.
//
//   threads  a training step and the multiply-add peak, on one thread and on all, in turn: the gain of the step over that of
//            the peak. The peak is taken over about half a second in small tiles, as the step meets whatever else runs too.
//            A round is the medians of some turns, as other work on the machine comes and goes within one.
//   idle     CPU time of the process over a second in which it has nothing to do, after a forward pass.
#include <sys/resource.h>

#include <functional>
#include <thread>

#include "eddy/eddy.hpp"
#include "model.hpp"

namespace eddy::bench {

namespace {

constexpr int kTurns = 7;  // of a round

double cpu_seconds() {
  rusage use{};
  getrusage(RUSAGE_SELF, &use);
  const auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec); };
  return seconds(use.ru_utime) + seconds(use.ru_stime);
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

}  // namespace

void run_threads(const Options& o, const Context& all) {
  const Context one(ContextOptions{.isa = all.isa(), .threads = 1});
  TrainingStep step_one(o, unet_for(o, one), one), step_all(o, unet_for(o, all), all);
  bool same = true;
  struct Measured {
    double step_one, step_all, peak_one, peak_all;  // seconds, seconds, GFLOP/s, GFLOP/s
    double step_gain() const { return step_one / step_all; }
    double peak_gain() const { return peak_all / peak_one; }
    double share() const { return step_gain() / peak_gain(); }
  };
  const auto turn = [&] {
    double loss_one = 0, loss_all = 0;
    const auto seconds = [](TrainingStep& step, double& loss) {
      const double begun = now();
      loss = step();
      return now() - begun;
    };
    Measured m{};
    m.peak_one = sustained_gflops(one);
    m.step_one = seconds(step_one, loss_one);
    m.peak_all = sustained_gflops(all);  // before the step: cores that have slept need some time
    m.step_all = seconds(step_all, loss_all);
    same = same && loss_one == loss_all;
    return m;
  };
  const auto list = [](const std::vector<Measured>& several, const auto& f) {
    std::vector<double> values;
    for (const Measured& m : several) values.push_back(std::invoke(f, m));
    return values;
  };
  const auto medians = [&](const std::vector<Measured>& several) {
    const auto of = [&](const auto& f) { return median(list(several, f)); };
    return Measured{of(&Measured::step_one), of(&Measured::step_all), of(&Measured::peak_one), of(&Measured::peak_all)};
  };
  turn();
  std::vector<Measured> rounds;
  for (int i = 0; i < o.iterations; ++i) {
    std::vector<Measured> turns;
    for (int t = 0; t < kTurns; ++t) turns.push_back(turn());
    rounds.push_back(medians(turns));
  }
  const auto share = list(rounds, &Measured::share);
  print({{"what", "threads"},
         {"threads", all.slots()},
         {"isa", name(all.isa())},
         {"batch", o.batch},
         {"step_one_s", median(list(rounds, &Measured::step_one))},
         {"step_all_s", median(list(rounds, &Measured::step_all))},
         {"step_gain", median(list(rounds, &Measured::step_gain))},
         {"peak_gain", median(list(rounds, &Measured::peak_gain))},
         {"share", median(share)},
         {"share_low", std::ranges::min(share)},
         {"share_high", std::ranges::max(share)},
         {"same_losses", same}});
}

void run_idle(const Options& o, const Context& context) {
  const NoGrad no_grad;
  const UNet unet = unet_for(o, context);
  const Inputs in = inputs_for(o, unet.config(), context);
  std::vector<double> idle;
  for (int i = 0; i < o.iterations; ++i) {
    unet(in.x, in.t, in.condition);
    const double begun = cpu_seconds();
    std::this_thread::sleep_for(std::chrono::seconds(1));
    idle.push_back((cpu_seconds() - begun) * 1e3);
  }
  print({{"what", "idle"}, {"threads", context.slots()}, {"median_ms", median(idle)}, {"most_ms", std::ranges::max(idle)}});
}

}  // namespace eddy::bench
