#include "base/threads.hpp"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "eddy/eddy.hpp"
#include "support/allocations.hpp"
#include "support/catch.hpp"

using namespace eddy;

namespace {

template <class F>
void run(Threads& threads, std::int64_t n, F f) {
  threads.run_tiles(
      n, [](void* argument, std::int64_t tile, int slot) { (*static_cast<F*>(argument))(tile, slot); }, &f);
}

// Waits for something that another thread does; false when it never comes.
template <class F>
bool comes(F f) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!f()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::yield();
  }
  return true;
}

}  // namespace

TEST_CASE("threads: each tile runs once, and a slot holds one tile at a time", "[threads]") {
  for (const int slots : {1, 2, 3, 7}) {
    const auto threads = make_threads(slots);
    CHECK(threads->slots() == slots);
    for (const std::int64_t n : {0, 1, 2, 5, 64, 1000}) {
      std::vector<std::atomic<int>> runs(static_cast<std::size_t>(n)), held(static_cast<std::size_t>(slots));
      std::atomic<int> clashes{0};
      run(*threads, n, [&](std::int64_t tile, int slot) {
        if (slot < 0 || slot >= slots || held[static_cast<std::size_t>(slot)].exchange(1) != 0) {
          ++clashes;
          return;
        }
        ++runs[static_cast<std::size_t>(tile)];
        if (tile % 8 == 0) std::this_thread::yield();
        held[static_cast<std::size_t>(slot)] = 0;
      });
      CHECK(clashes == 0);
      for (const auto& count : runs) REQUIRE(count == 1);
    }
  }
}

TEST_CASE("threads: as many tiles run at the same time as there are slots, each in the slot of its range", "[threads]") {
  for (const int slots : {2, 5}) {
    const auto threads = make_threads(slots);
    for (int again = 0; again < 3; ++again) {
      std::atomic<int> arrived{0}, lonely{0}, elsewhere{0};
      run(*threads, slots, [&](std::int64_t tile, int slot) {
        ++arrived;
        if (tile != slot) ++elsewhere;
        if (!comes([&] { return arrived == slots; })) ++lonely;
      });
      CHECK(lonely == 0);
      CHECK(elsewhere == 0);
    }
  }
}

TEST_CASE("threads: what a busy slot has not begun, others do", "[threads]") {
  for (const int slots : {2, 3}) {
    const auto threads = make_threads(slots);
    constexpr int kTiles = 12;
    std::atomic<int> done{0}, alone{0};
    run(*threads, kTiles, [&](std::int64_t tile, int) {
      if (tile == 0 && !comes([&] { return done == kTiles - 1; })) ++alone;
      ++done;
    });
    CHECK(alone == 0);
    CHECK(done == kTiles);
  }
}

TEST_CASE("threads: a call from inside a tile runs inline, in order, with slot 0", "[threads]") {
  const auto threads = make_threads(3);
  std::atomic<int> wrong{0};
  run(*threads, 6, [&](std::int64_t, int) {
    const std::thread::id me = std::this_thread::get_id();
    std::int64_t next = 0;
    run(*threads, 10, [&](std::int64_t tile, int slot) {
      if (tile != next++ || slot != 0 || std::this_thread::get_id() != me) ++wrong;
    });
    if (next != 10) ++wrong;
  });
  CHECK(wrong == 0);
}

TEST_CASE("threads: while one host thread holds the pool, another's work runs inline on itself", "[threads]") {
  const auto threads = make_threads(2);
  std::atomic<bool> began{false}, done{false};
  std::atomic<int> wrong{0};
  std::thread other([&] {
    if (!comes([&] { return began.load(); })) ++wrong;
    const std::thread::id me = std::this_thread::get_id();
    run(*threads, 5, [&](std::int64_t, int) { wrong += std::this_thread::get_id() != me ? 1 : 0; });
    done = true;
  });
  run(*threads, 2, [&](std::int64_t, int) {
    began = true;
    if (!comes([&] { return done.load(); })) ++wrong;
  });
  other.join();
  CHECK(wrong == 0);
}

TEST_CASE("threads: two host threads share a pool over many jobs", "[threads]") {
  const auto threads = make_threads(3);
  std::int64_t totals[2] = {};
  const auto work = [&](std::int64_t& total) {
    for (int job = 0; job < 300; ++job) {
      std::atomic<std::int64_t> sum{0};
      run(*threads, 20, [&](std::int64_t tile, int) { sum += tile; });
      total += sum;
    }
  };
  std::thread other([&] { work(totals[1]); });
  work(totals[0]);
  other.join();
  CHECK(totals[0] == 300 * 190);
  CHECK(totals[1] == 300 * 190);
}

TEST_CASE("threads: the exception of the lowest tile reaches the caller after all tiles ran", "[threads]") {
  for (const int slots : {1, 3}) {
    const auto threads = make_threads(slots);
    for (int again = 0; again < 20; ++again) {
      std::atomic<int> ran{0};
      const auto work = [&](std::int64_t tile, int) {
        ++ran;
        if (tile % 4 == 3) throw std::out_of_range("tile " + std::to_string(tile));
      };
      CHECK_THROWS_WITH(run(*threads, 40, work), "tile 3");
      CHECK(ran == 40);
    }
    std::atomic<int> ran{0};
    run(*threads, 10, [&](std::int64_t, int) { ++ran; });
    CHECK(ran == 10);
    CHECK_THROWS_AS(run(*threads, 1, [](std::int64_t, int) { throw std::out_of_range("alone"); }), std::out_of_range);
  }
}

TEST_CASE("threads: pools that never worked, or slept between two jobs, end", "[threads]") {
  for (int i = 0; i < 10; ++i) make_threads(4);
  const auto threads = make_threads(3);
  for (int i = 0; i < 3; ++i) {
    std::atomic<int> ran{0};
    run(*threads, 9, [&](std::int64_t, int) { ++ran; });
    CHECK(ran == 9);
    std::this_thread::sleep_for(std::chrono::milliseconds(2));  // workers stop looking and sleep
  }
}

namespace {

// A host's threads: backwards, on the caller, from the last slot.
class Backwards final : public Threads {
 public:
  int jobs = 0;
  int slots() const noexcept override { return 3; }
  void run_tiles(std::int64_t n, Function function, void* argument) override {
    ++jobs;
    for (std::int64_t tile = n - 1; tile >= 0; --tile) function(argument, tile, 2);
  }
};

}  // namespace

TEST_CASE("threads: a host's own threads do the work, with the bytes of ours", "[threads]") {
  const auto own = std::make_shared<Backwards>();
  ContextOptions options;
  options.pool = own;
  options.threads = 7;
  const Context host(options);
  CHECK(host.slots() == 3);
  const auto values = [](const Context& context) {
    const Tensor x = philox_noise(1).normal({3, 10, 10, 8}, kInitialNoise, context);
    const Tensor weight = philox_noise(2).normal({8, 8, 3, 3}, kInitialNoise, context);
    const Tensor bias = Tensor::full({8}, 0.5f, context);
    const Tensor leaf = weight.variable();
    const Tensor y = silu(conv2d(x, leaf, bias, {.pad_top = 1, .pad_left = 1, .pad_bottom = 1, .pad_right = 1}));
    const Tensor gradient = gradients(sum(y), {leaf})[0];
    std::vector<float> result(y.values().begin(), y.values().end());
    result.insert(result.end(), gradient.values().begin(), gradient.values().end());
    return result;
  };
  options.pool = nullptr;
  CHECK(values(host) == values(Context(options)));
  CHECK(own->jobs > 0);
}

namespace {

// Of a process whose address space ends soon: 0 when make_threads throws as it should.
int threads_beyond_the_limit() {
  std::int64_t pages = 0;
  if (FILE* file = std::fopen("/proc/self/statm", "r")) {
    if (std::fscanf(file, "%ld", &pages) != 1) pages = 0;
    std::fclose(file);
  }
  rlimit limit{};
  getrlimit(RLIMIT_AS, &limit);
  const rlim_t wanted = static_cast<rlim_t>(pages * sysconf(_SC_PAGESIZE)) + (rlim_t{1} << 28);
  limit.rlim_cur = wanted;
  setrlimit(RLIMIT_AS, &limit);
  getrlimit(RLIMIT_AS, &limit);
  if (pages == 0 || limit.rlim_cur != wanted) return 77;  // an emulator, say
  try {
    make_threads(1000);
  } catch (const Error& error) {
    const std::string text = error.what();
    return text.starts_with("Context: only ") && text.find(" of 1000 threads could be started") != text.npos ? 0 : 1;
  }
  return 2;
}

}  // namespace

TEST_CASE("threads: one that the system does not start is an Error, and those before it end") {
  if (!test::counts_allocations()) return;  // sanitizers need the address space themselves
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    alarm(60);  // ends a process that hangs
    _exit(threads_beyond_the_limit());
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  CHECK((WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 77));
}
