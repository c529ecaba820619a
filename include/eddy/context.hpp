// Where computation happens: threads, memory and instruction set, owned by a Context.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "eddy/version.hpp"

namespace eddy::inline v0_1 {

// The instruction sets that kernels are built for. `best` picks the widest one that this CPU has; `baseline` is what every
// CPU of the architecture has: SSE2 on x86-64, and on arm64 another name of neon. `amx` is avx512 with large
// products in AMX's integer units, whose errors are small beside the lengths of rows and columns (docs/architecture.md); a Context
// of it asks Linux for AMX's registers, for the whole process.
enum class Isa { best, baseline, avx2, avx512, amx, neon };

EDDY_API const char* name(Isa) noexcept;

// True when this build holds kernels for the set and this CPU can run them.
EDDY_API bool available(Isa) noexcept;

// What the factors of matrix products and convolutions are, forward and in both backward passes. `bf16` rounds them to
// bfloat16 (8 bits of precision) and adds in float32, on AMX where the CPU has it, else on AVX-512 BF16; the two differ in
// rounding, and the last two names force one. Tensors, parameters, gradients, norms and attention stay float32.
enum class Products { f32, bf16, bf16_avx512, bf16_amx };

EDDY_API const char* name(Products) noexcept;

// True when this build holds the products and this CPU can run them.
EDDY_API bool available(Products) noexcept;

// Runs numbered tiles of work; a host program can supply its own. Work is numbered so that tiles of one range, taken by the same
// thread in every call, find in its core's cache what they wrote before.
class EDDY_API Threads {
 public:
  using Function = void (*)(void* argument, std::int64_t tile, int slot);

  virtual ~Threads();

  // Number of tiles that may run at the same time. A slot below slots() is held by one tile at a time.
  virtual int slots() const noexcept = 0;

  // Calls function(argument, tile, slot) for every tile in [0, n) and returns when all are done. Called from inside a
  // tile, or while another host thread holds the pool, it runs inline with slot 0 of the caller's own scratch. An
  // exception of a tile is thrown here after all tiles ended, the one of the lowest tile when there are several.
  virtual void run_tiles(std::int64_t n, Function function, void* argument) = 0;
};

enum class LogLevel { info, warning };
using LogCallback = std::function<void(LogLevel, std::string_view message)>;

// One operation as it ran, forward or backward; times in seconds of a steady clock, bytes in use in the pool afterwards.
struct TraceEvent {
  const char* operation;
  double start, end;
  std::size_t pool_bytes;
  bool backward;
  std::span<const std::int64_t> shape;  // extents of the output, as of its gradient; valid during the call
};
using TraceCallback = std::function<void(const TraceEvent&)>;

struct ContextOptions {
  Isa isa = Isa::best;               // `best` also reads EDDY_ISA (baseline, avx2, avx512, amx, neon)
  Products products = Products::f32;  // others need avx512 or amx
  int threads = 0;                   // 0: EDDY_THREADS, else the CPUs that affinity and cgroup quota allow
  std::size_t memory_limit = 0;      // bytes that the pool may hold; 0: no limit
  std::shared_ptr<Threads> pool;     // a host's own threads; then `threads` is ignored
  LogCallback log;                   // warnings and notes; the library never prints
  TraceCallback trace;               // called after every operation and every step backward, from the thread that runs it
};

// Bytes that the system and the limits of this process's cgroups leave to it now; 0: not known. A pool that may hold no more
// throws an Error where the process would be killed.
EDDY_API std::size_t available_memory();

struct MemoryUse {
  std::size_t in_use;          // bytes in live tensors and scratch
  std::size_t held;            // bytes taken from the system, in use or kept for reuse
  std::size_t peak;            // largest `held` so far
  std::uint64_t system_calls;  // how often the system was asked for memory
};

class MemoryPool;
struct KernelTable;

// A handle: copies share threads, pool and kernels. Tensors keep their Context alive.
class EDDY_API Context {
 public:
  // The default Context: made on first use with default options unless set_default came before.
  Context();
  // Throws Error when the CPU or this build lacks the instruction set or the products, or an environment variable holds nonsense.
  explicit Context(const ContextOptions& options);

  // Replaces the default Context from now on; tensors that live keep the old one.
  static void set_default(const Context& context);

  // The same threads, callbacks and memory limit with other products, and a pool of its own.
  Context with(Products products) const;

  Isa isa() const noexcept;
  Products products() const noexcept;  // f32, or the unit that was chosen
  int slots() const noexcept;
  MemoryUse memory() const;
  // Gives memory that is kept for reuse back to the system.
  void release_unused_memory() const;

  // Passes a message to the log callback, if any.
  void log(LogLevel level, const std::string& message) const;
  const TraceCallback& trace() const noexcept;

  // For operations.
  Threads& threads() const noexcept;
  MemoryPool& pool() const noexcept;
  const KernelTable& kernels() const noexcept;

  friend bool operator==(const Context& a, const Context& b) noexcept { return a.state_ == b.state_; }

  struct State;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace eddy::inline v0_1
