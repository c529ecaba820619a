// A pool of worker threads that share out numbered tiles.
//
// The caller works too. Each thread claims the tiles of a range of its own one by one, then those that the others have left:
// what one operation wrote is where the next one reads it, in the same core's cache. Which thread runs a tile is free; what
// it computes must not depend on it. Between two jobs workers look for work for a while, soon letting others have the CPU, then
// sleep. A job is over when its tiles are: a worker that comes late finds it closed, and nobody waits for it.
#include "base/threads.hpp"

#include <atomic>
#include <condition_variable>
#include <exception>
#include <limits>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "eddy/error.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace eddy::inline v0_1 {

Threads::~Threads() = default;

namespace {

// Between two operations of a step workers had better not fall asleep: to wake one takes up to a tenth of a millisecond.
constexpr double kAwakeSeconds = 300e-6;
constexpr double kYieldAfterSeconds = 20e-6;  // from then on, other threads that wait for the CPU get it

void relax() noexcept {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__) && defined(__GNUC__)
  __asm__ volatile("isb");  // "yield" does nothing on most cores
#endif
}

// Waits awake until done(), for so many seconds at most; whether it is.
template <class Done>
bool awake_until(Done&& done, double seconds) {
  constexpr int kLooks = 32;  // for each look at the clock
  const double begun = now();
  while (true) {
    for (int look = 0; look < kLooks; ++look) {
      if (done()) return true;
      relax();
    }
    const double waited = now() - begun;
    if (waited > seconds) return false;
    if (waited > kYieldAfterSeconds) std::this_thread::yield();
  }
}

class ThreadPool final : public Threads {
 public:
  explicit ThreadPool(int slots) : slots_(slots), ranges_(static_cast<std::size_t>(slots)) {
    try {
      for (int slot = 1; slot < slots; ++slot) workers_.emplace_back([this, slot] { work(slot); });
    } catch (const std::exception& failure) {  // of the system's limits, or of memory
      const std::size_t started = workers_.size() + 1;
      join();
      throw Error("Context: only " + std::to_string(started) + " of " + std::to_string(slots) +
                  " threads could be started (" + failure.what() + "); ask for fewer");
    }
  }

  ~ThreadPool() override { join(); }

  int slots() const noexcept override { return slots_; }

  void run_tiles(std::int64_t n, Function function, void* argument) override {
    if (n <= 0) return;
    if (n == 1 || slots_ == 1 || held_.exchange(true, std::memory_order_acquire)) {
      return run_inline(n, function, argument);
    }
    const Release release{held_};
    function_ = function;
    argument_ = argument;
    for (int slot = 0; slot < slots_; ++slot) {
      Range& range = ranges_[static_cast<std::size_t>(slot)];
      range.next.store(n * slot / slots_, std::memory_order_relaxed);
      range.end = n * (slot + 1) / slots_;
    }
    failed_tile_ = n;
    failure_ = nullptr;
    open_.store(true);
    {
      const std::lock_guard lock(mutex_);
      job_.fetch_add(1, std::memory_order_release);
    }
    if (sleepers_.load(std::memory_order_relaxed) > 0) wake_.notify_all();
    run_share(0);
    open_.store(false);  // all in one order with entered_: a worker sees it closed, or is seen here
    awake_until([&] { return entered_.load() == 0; }, std::numeric_limits<double>::infinity());
    if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
  }

 private:
  // Tiles of a slot, on cache lines of its own.
  struct alignas(128) Range {
    std::atomic<std::int64_t> next{0};
    std::int64_t end = 0;
  };
  struct Release {
    std::atomic<bool>& held;
    ~Release() { held.store(false, std::memory_order_release); }
  };

  void join() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
      job_.fetch_add(1, std::memory_order_release);
    }
    wake_.notify_all();
    for (std::thread& worker : workers_) worker.join();
  }

  // Every tile runs, whatever others threw; the lowest failure counts.
  static void run_inline(std::int64_t n, Function function, void* argument) {
    std::exception_ptr failure;
    for (std::int64_t tile = 0; tile < n; ++tile) {
      try {
        function(argument, tile, 0);
      } catch (...) {
        if (!failure) failure = std::current_exception();
      }
    }
    if (failure) std::rethrow_exception(failure);
  }

  void run_share(int slot) noexcept {
    for (int i = 0; i < slots_; ++i) {
      Range& range = ranges_[static_cast<std::size_t>((slot + i) % slots_)];
      while (range.next.load(std::memory_order_relaxed) < range.end) {  // reading alone leaves the line with its owner
        const std::int64_t tile = range.next.fetch_add(1, std::memory_order_relaxed);
        if (tile >= range.end) break;
        try {
          function_(argument_, tile, slot);
        } catch (...) {
          const std::lock_guard lock(failure_mutex_);
          if (tile < failed_tile_) {
            failed_tile_ = tile;
            failure_ = std::current_exception();
          }
        }
      }
    }
  }

  void work(int slot) noexcept {
    std::uint64_t seen = 0;
    while (true) {
      const auto has_job = [&] { return job_.load(std::memory_order_acquire) != seen; };
      if (!awake_until(has_job, kAwakeSeconds)) {
        std::unique_lock lock(mutex_);
        sleepers_.fetch_add(1, std::memory_order_relaxed);
        wake_.wait(lock, has_job);
        sleepers_.fetch_sub(1, std::memory_order_relaxed);
      }
      seen = job_.load(std::memory_order_acquire);
      if (stop_) return;
      entered_.fetch_add(1);
      if (open_.load()) run_share(slot);
      entered_.fetch_sub(1);
    }
  }

  const int slots_;
  std::vector<std::thread> workers_;
  std::atomic<bool> held_{false};  // one host thread at a time; its own tiles run inline
  std::mutex mutex_;  // for sleeping
  std::condition_variable wake_;
  std::atomic<std::uint64_t> job_{0};
  std::atomic<int> sleepers_{0};
  std::atomic<bool> stop_{false};  // a worker that comes late to a job may read it meanwhile

  Function function_ = nullptr;
  void* argument_ = nullptr;
  std::vector<Range> ranges_;
  std::atomic<bool> open_{false};  // the job may be entered
  std::atomic<int> entered_{0};    // workers inside
  std::mutex failure_mutex_;
  std::int64_t failed_tile_ = 0;
  std::exception_ptr failure_;
};

}  // namespace

std::shared_ptr<Threads> make_threads(int slots) { return std::make_shared<ThreadPool>(slots); }

}  // namespace eddy::inline v0_1
