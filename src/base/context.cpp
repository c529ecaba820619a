// Contexts: threads, memory and kernels, and the default one.
#include "eddy/context.hpp"

#include <cstdlib>
#include <mutex>
#include <optional>

#include "base/cpu.hpp"
#include "base/memory_pool.hpp"
#include "base/threads.hpp"
#include "eddy/error.hpp"

namespace eddy::inline v0_1 {

// Of the room kernels, which stands above this one.
const KernelTable* kernel_table(Isa isa) noexcept;
const KernelTable* product_table(Products products) noexcept;

struct Context::State {
  Isa isa;
  Products products;
  const KernelTable* kernels;
  std::shared_ptr<Threads> threads;
  std::size_t memory_limit;
  MemoryPool pool;
  LogCallback log;
  TraceCallback trace;

  State(Isa chosen, Products p, const ContextOptions& options, std::shared_ptr<Threads> t)
      : isa(chosen),
        products(p),
        kernels(p == Products::f32 ? kernel_table(chosen) : product_table(p)),
        threads(std::move(t)),
        memory_limit(options.memory_limit),
        pool(options.memory_limit),
        log(options.log),
        trace(options.trace) {}
};

namespace {

constexpr Isa kSets[] = {Isa::amx, Isa::avx512, Isa::avx2, Isa::neon, Isa::baseline};  // widest first

Isa isa_named(const std::string& text) {
  for (const Isa isa : kSets) {
    if (text == name(isa)) return isa;
  }
  throw Error("EDDY_ISA: must be baseline, avx2, avx512, amx or neon, got '" + text + "'");
}

// What keeps a Context from the set; empty when nothing does. Asks the system where the set needs that.
std::string refusal(Isa isa) {
  const std::string set = std::string("the instruction set ") + name(isa);
  const bool kept_back = isa == Isa::amx && product_units().amx_int8 && !cpu_has(isa);
  if (!available(isa) && !kept_back) return set + " is not in this " + (cpu_has(isa) ? "build" : "CPU");
  return kept_back || (isa == Isa::amx && !request_tiles()) ? set + " is not possible: " + kNoTiles : "";
}

Isa choose(Isa asked) {
  if (asked == Isa::best) {
    const char* text = std::getenv("EDDY_ISA");
    if (text != nullptr && *text != '\0') asked = isa_named(text);
  }
  if (asked == Isa::best) {
    for (const Isa isa : kSets) {
      if (refusal(isa).empty()) return isa;
    }
  }
  const std::string why = refusal(asked);
  if (!why.empty()) throw Error("Context: " + why);
  return asked;
}

Products choose(Products asked, Isa isa) {
  if (asked == Products::f32) return asked;
  const auto refuse = [&](const std::string& why) {
    throw Error(std::string("Context: ") + name(asked) + " products are not possible: " + why);
  };
  const std::string lacking = missing(asked, product_units());
  if (!lacking.empty()) refuse(lacking);
  if (isa != Isa::avx512 && isa != Isa::amx) {
    refuse(std::string("they need the instruction set avx512 or amx, chosen is ") + name(isa));
  }
  const auto usable = [](Products unit) { return unit != Products::bf16_amx || request_tiles(); };
  if (asked != Products::bf16) {
    if (product_table(asked) == nullptr) refuse("this build has none");
    if (!usable(asked)) refuse(kNoTiles);
    return asked;
  }
  for (const Products unit : {Products::bf16_amx, Products::bf16_avx512}) {
    if (available(unit) && usable(unit)) return unit;
  }
  refuse("this build has none");
  return asked;
}

int thread_count(int asked) {
  constexpr int kMost = 1024;
  if (asked < 0 || asked > kMost) {
    throw Error("Context: threads must be in 0 to " + std::to_string(kMost) + ", got " + std::to_string(asked));
  }
  if (asked > 0) return asked;
  const char* text = std::getenv("EDDY_THREADS");
  if (text == nullptr || *text == '\0') return usable_cpus();
  char* end = nullptr;
  const long number = std::strtol(text, &end, 10);
  if (*end != '\0' || number < 1 || number > kMost) {
    throw Error(std::string("EDDY_THREADS: must be a number from 1 to 1024, got '") + text + "'");
  }
  return static_cast<int>(number);
}

struct Default {
  std::mutex mutex;
  std::optional<Context> context;
};

Default& default_slot() {
  static Default slot;
  return slot;
}

Context default_context() {
  Default& slot = default_slot();
  const std::lock_guard lock(slot.mutex);
  if (!slot.context) slot.context.emplace(ContextOptions{});
  return *slot.context;
}

}  // namespace

const char* name(Isa isa) noexcept {
  switch (isa) {
    case Isa::best:
      return "best";
    case Isa::baseline:
      return "baseline";
    case Isa::avx2:
      return "avx2";
    case Isa::avx512:
      return "avx512";
    case Isa::amx:
      return "amx";
    case Isa::neon:
      return "neon";
  }
  return "?";
}

const char* name(Products products) noexcept {
  switch (products) {
    case Products::f32:
      return "f32";
    case Products::bf16:
      return "bf16";
    case Products::bf16_avx512:
      return "bf16_avx512";
    case Products::bf16_amx:
      return "bf16_amx";
  }
  return "?";
}

bool available(Products products) noexcept {
  if (products == Products::f32) return true;
  if (products == Products::bf16) return available(Products::bf16_amx) || available(Products::bf16_avx512);
  return product_table(products) != nullptr && available(Isa::avx512) && *missing(products, product_units()) == '\0';
}

bool available(Isa isa) noexcept { return cpu_has(isa) && (isa == Isa::best || kernel_table(isa) != nullptr); }

Context::Context() : Context(default_context()) {}

Context::Context(const ContextOptions& options) {
  const Isa isa = choose(options.isa);
  const Products products = choose(options.products, isa);
  std::shared_ptr<Threads> threads = options.pool;
  if (!threads) threads = make_threads(thread_count(options.threads));
  state_ = std::make_shared<State>(isa, products, options, std::move(threads));
}

Context Context::with(Products products) const {
  ContextOptions options;
  options.isa = state_->isa;
  options.products = products;
  options.memory_limit = state_->memory_limit;
  options.pool = state_->threads;
  options.log = state_->log;
  options.trace = state_->trace;
  return Context(options);
}

void Context::set_default(const Context& context) {
  Default& slot = default_slot();
  const std::lock_guard lock(slot.mutex);
  slot.context = context;
}

Isa Context::isa() const noexcept { return state_->isa; }
Products Context::products() const noexcept { return state_->products; }
int Context::slots() const noexcept { return state_->threads->slots(); }
MemoryUse Context::memory() const { return state_->pool.use(); }
void Context::release_unused_memory() const { state_->pool.release_unused(); }

void Context::log(LogLevel level, const std::string& message) const {
  if (state_->log) state_->log(level, message);
}

const TraceCallback& Context::trace() const noexcept { return state_->trace; }
Threads& Context::threads() const noexcept { return *state_->threads; }
MemoryPool& Context::pool() const noexcept { return state_->pool; }
const KernelTable& Context::kernels() const noexcept { return *state_->kernels; }

}  // namespace eddy::inline v0_1
