#include "eddy/context.hpp"

#include <sched.h>
#include <stdlib.h>

#include <optional>
#include <thread>

#include "base/cpu.hpp"
#include "eddy/eddy.hpp"
#include "support/catch.hpp"

using namespace eddy;

namespace {

// Sets an environment variable, and puts the old value back.
class Environment {
 public:
  Environment(const char* name, const char* value) : name_(name) {
    if (const char* old = ::getenv(name)) old_ = old;
    ::setenv(name, value, 1);
  }
  ~Environment() { old_ ? ::setenv(name_, old_->c_str(), 1) : ::unsetenv(name_); }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  const char* name_;
  std::optional<std::string> old_;
};

Context with_threads(int threads) {
  ContextOptions options;
  options.threads = threads;
  return Context(options);
}

Context with_isa(Isa isa) {
  ContextOptions options;
  options.isa = isa;
  options.threads = 1;
  return Context(options);
}

}  // namespace

TEST_CASE("context: EDDY_ISA chooses the kernels, nonsense in it is an Error") {
  {
    const Environment isa("EDDY_ISA", "baseline");
    CHECK(with_isa(Isa::best).isa() == Isa::baseline);
  }
  for (const char* nonsense : {"avx1024", "AVX2", "best", "baseline ", "?"}) {
    const Environment isa("EDDY_ISA", nonsense);
    CHECK_THROWS_WITH(with_isa(Isa::best), Catch::Contains("EDDY_ISA") && Catch::Contains(nonsense));
    CHECK(with_isa(Isa::baseline).isa() == Isa::baseline);  // who asks does not read it
  }
}

TEST_CASE("context: EDDY_THREADS is the number of threads, nonsense in it is an Error") {
  {
    const Environment threads("EDDY_THREADS", "3");
    CHECK(with_threads(0).slots() == 3);
    CHECK(with_threads(2).slots() == 2);
  }
  for (const char* nonsense : {"0", "-1", "two", "3x", "3 ", "1025", "99999999999999999999", "1.5", " "}) {
    const Environment threads("EDDY_THREADS", nonsense);
    CHECK_THROWS_WITH(with_threads(0), Catch::Contains("EDDY_THREADS") && Catch::Contains(nonsense));
  }
  const Environment threads("EDDY_THREADS", "");
  CHECK(with_threads(0).slots() == usable_cpus());
}

TEST_CASE("context: a number of threads out of range is an Error") {
  CHECK_THROWS_WITH(with_threads(-1), Catch::Contains("-1"));
  CHECK_THROWS_WITH(with_threads(1025), Catch::Contains("1025"));
}

TEST_CASE("context: the best instruction set is the widest that is there, another one is refused") {
  CHECK(available(Isa::best));
  CHECK(available(Isa::baseline));
  const Environment isa("EDDY_ISA", "");
  const Isa best = with_isa(Isa::best).isa();
  bool wider = true;
  int refused = 0;
  for (const Isa each : {Isa::amx, Isa::avx512, Isa::avx2, Isa::neon, Isa::baseline}) {
    if (each == best) wider = false;
    if (wider) CHECK(!available(each));
    if (available(each)) {
      CHECK(with_isa(each).isa() == each);
    } else {
      CHECK_THROWS_WITH(with_isa(each), Catch::Contains(name(each)));
      const Environment asked("EDDY_ISA", name(each));
      CHECK_THROWS_WITH(with_isa(Isa::best), Catch::Contains(name(each)));
      ++refused;
    }
  }
  CHECK(refused > 0);  // no machine has x86's and arm's
}

TEST_CASE("context: bfloat16 products are refused for what is missing") {
  const std::string needed[] = {"AVX-512", "AVX-512 BF16", "AMX BF16", "operating system"};
  const ProductUnits cpus[] = {{},
                               {.avx512 = true},
                               {.avx512 = true, .avx512_bf16 = true},
                               {.avx512 = true, .avx512_bf16 = true, .amx_bf16 = true}};
  for (int i = 0; i < 4; ++i) {
    CHECK(*missing(Products::f32, cpus[i]) == '\0');
    CHECK_THAT(missing(Products::bf16_amx, cpus[i]), Catch::Contains(needed[i]));
    if (i < 2) CHECK_THAT(missing(Products::bf16, cpus[i]), Catch::Contains("no " + needed[i]));
    if (i < 2) CHECK_THAT(missing(Products::bf16_avx512, cpus[i]), Catch::Contains("no " + needed[i]));
    if (i >= 2) CHECK(*missing(Products::bf16, cpus[i]) == '\0');
  }
  const ProductUnits whole{.avx512 = true, .avx512_bf16 = true, .amx_bf16 = true, .tiles_saved = true};
  CHECK(*missing(Products::bf16_amx, whole) == '\0');
}

TEST_CASE("context: products are float32 unless asked, and bfloat16 on what is there") {
  CHECK(Context(ContextOptions{.threads = 1}).products() == Products::f32);
  for (const Products each : {Products::bf16, Products::bf16_avx512, Products::bf16_amx}) {
    const ContextOptions options{.isa = Isa::best, .products = each, .threads = 1};
    CAPTURE(name(each));
    if (available(each)) {
      const Environment isa("EDDY_ISA", "");
      const Products chosen = Context(options).products();
      const Products best = available(Products::bf16_amx) ? Products::bf16_amx : Products::bf16_avx512;
      CHECK(chosen == (each == Products::bf16 ? best : each));
    } else {
      CHECK_THROWS_WITH(Context(options), Catch::Contains(name(each)) && Catch::Contains("not possible"));
    }
    // Other instruction sets have none of them.
    const ContextOptions narrow{.isa = Isa::baseline, .products = each, .threads = 1};
    if (available(Isa::baseline)) CHECK_THROWS_WITH(Context(narrow), Catch::Contains("not possible"));
  }
}

TEST_CASE("context: another one of the same threads with other products") {
  if (!available(Products::bf16)) {
    CHECK_THROWS_WITH(Context().with(Products::bf16), Catch::Contains("not possible"));
    return;
  }
  const Environment isa("EDDY_ISA", "");
  const Context plain = with_threads(2), rounded = plain.with(Products::bf16);
  CHECK(&rounded.threads() == &plain.threads());
  CHECK(&rounded.pool() != &plain.pool());
  CHECK(rounded.products() != Products::f32);
  CHECK(rounded.with(Products::f32).products() == Products::f32);
  CHECK_FALSE(rounded == plain);
}

TEST_CASE("context: the default number of threads respects this thread's affinity", "[threads]") {
  int cpus = 0;
  std::thread([&] {
    cpu_set_t all, one;
    CPU_ZERO(&one);
    if (sched_getaffinity(0, sizeof(all), &all) != 0) return;
    int first = 0;
    while (!CPU_ISSET(first, &all)) ++first;
    CPU_SET(first, &one);
    if (sched_setaffinity(0, sizeof(one), &one) == 0) cpus = usable_cpus();
  }).join();
  CHECK(cpus == 1);
  CHECK(usable_cpus() >= 1);
}

TEST_CASE("context: the default one can be replaced, tensors that live keep theirs") {
  const Context old;
  const Context mine = with_threads(1);
  const Tensor before = Tensor::zeros({3});
  Context::set_default(mine);
  const Tensor after = Tensor::zeros({3});
  const bool replaced = Context() == mine, kept = Tensor::zeros({1}).context() == mine;
  Context::set_default(old);
  CHECK(replaced);
  CHECK(kept);
  CHECK(after.context() == mine);
  CHECK(before.context() == old);
  CHECK(Context() == old);
  CHECK(!(old == mine));
}

TEST_CASE("context: inputs of different Contexts are an Error that names the operation") {
  const Context a = with_threads(1), b = with_threads(1);
  const Tensor x = Tensor::zeros({2, 3}, a), y = Tensor::zeros({2, 3}, b);
  CHECK_THROWS_WITH(add(x, y), Catch::Contains("add") && Catch::Contains("different Contexts"));
  CHECK_THROWS_WITH(linear(x, Tensor::zeros({4, 3}, a), Tensor::zeros({4}, b)), Catch::Contains("different Contexts"));
  CHECK(add(x, x).context() == a);
}

TEST_CASE("context: the trace is told of every operation, forward and backward, and its shape") {
  std::vector<TraceEvent> events;
  std::vector<std::string> shapes;
  ContextOptions options;
  options.threads = 1;
  options.trace = [&](const TraceEvent& event) {
    events.push_back(event);
    shapes.push_back(to_string(Shape(event.shape)));
  };
  const Context context(options);
  const Tensor x = Tensor::full({4, 1000}, 2, context);
  const Tensor y = sum(mul(x, x));
  CHECK(y.item() == 16000);
  REQUIRE(events.size() == 2);
  CHECK(std::string(events[0].operation) == "mul");
  CHECK(std::string(events[1].operation) == "sum");
  CHECK(events[0].start <= events[0].end);
  CHECK(events[0].end <= events[1].start);
  CHECK(events[0].pool_bytes >= 2 * x.values().size_bytes());
  CHECK(!events[1].backward);
  CHECK(shapes == std::vector<std::string>{"(4, 1000)", "()"});

  events.clear();
  shapes.clear();
  const Tensor leaf = x.variable();
  gradients(sum(mul(leaf, x)), {leaf});
  REQUIRE(events.size() == 4);
  CHECK(std::string(events[2].operation) == "sum");
  CHECK(std::string(events[3].operation) == "mul");
  CHECK(events[2].backward);
  CHECK(events[3].backward);
  CHECK(events[2].start <= events[2].end);
  CHECK(events[2].end <= events[3].start);
  CHECK(shapes == std::vector<std::string>{"(4, 1000)", "()", "()", "(4, 1000)"});
}

TEST_CASE("context: log messages go to the callback, or nowhere") {
  std::vector<std::string> seen;
  ContextOptions options;
  options.threads = 1;
  Context(options).log(LogLevel::warning, "into the void");
  options.log = [&](LogLevel level, std::string_view message) {
    seen.push_back((level == LogLevel::warning ? "warning " : "info ") + std::string(message));
  };
  const Context context(options);
  context.log(LogLevel::warning, "one");
  context.log(LogLevel::info, "two");
  CHECK(seen == std::vector<std::string>{"warning one", "info two"});
}

namespace {

class Idle final : public Threads {
 public:
  int slots() const noexcept override { return 1; }
  void run_tiles(std::int64_t n, Function function, void* argument) override {
    for (std::int64_t tile = 0; tile < n; ++tile) function(argument, tile, 0);
  }
};

}  // namespace

TEST_CASE("context: a tensor keeps its Context alive, the last one lets it go") {
  std::weak_ptr<Threads> watched;
  Tensor x;
  {
    ContextOptions options;
    options.pool = std::make_shared<Idle>();
    watched = options.pool;
    const Context context(options);
    x = Tensor::full({5}, 3, context);
  }
  CHECK(!watched.expired());
  CHECK(add(x, x).values()[4] == 6);
  x = {};
  CHECK(watched.expired());
}

TEST_CASE("context: memory that is kept for reuse goes back when asked") {
  const Context context = with_threads(1);
  const Tensor kept = Tensor::zeros({1000}, context);
  Tensor::zeros({100000}, context);
  CHECK(context.memory().held > 400000);
  context.release_unused_memory();
  CHECK(context.memory().held == context.memory().in_use);
  CHECK(context.memory().in_use >= 4000);
  CHECK(context.memory().peak > 400000);
}

// Also run alone with nonsense in EDDY_ISA, where making the default Context throws.
TEST_CASE("context: who brings one needs no default") {
  const Context mine = with_isa(Isa::baseline);
  const UNet unet(UNetConfig{.in_channels = 1, .out_channels = 1, .down_block_types = {DownBlock::attn_down},
                             .up_block_types = {UpBlock::attn_up}, .block_out_channels = {8}, .layers_per_block = 1,
                             .norm_num_groups = 4, .num_class_embeds = 3},
                  {.context = mine});
  const Tensor labels = Tensor::from({std::int64_t{2}}, {1}, mine);
  const Optimizer optimizer(unet.parameters());
  const Loss loss = objective(cosine_schedule(10), {.prediction = PredictionType::v_prediction});
  const Tensor x = philox_noise(0).normal({1, 4, 4, 1}, kInitialNoise, mine);
  const Tensor gradients = optimizer.gradients(mean(loss(unet, {.x = x, .condition = {{"class_labels", labels}}}, {.total = 1})));
  optimizer.step(gradients, 1e-3, 1 / optimizer.norm(gradients));
  optimizer.swap_average();
  unet.clone().set_checkpoint(true);
  const auto list = steps(trailing_levels(cosine_schedule(10), 2));
  const Denoiser denoise = from_v(unet, {{"class_labels", labels}});
  CHECK(sample_ddim(denoise, x, list, philox_noise(1), {{.clip = {.kind = Clip::Kind::dynamic}}, 1.0}).context() == mine);
  CHECK(sample_ddpm(denoise, x, list, torch_cpu_noise(1, 1)).context() == mine);
}
