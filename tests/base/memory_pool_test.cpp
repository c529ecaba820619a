#include "base/memory_pool.hpp"

#include <cstring>
#include <thread>
#include <vector>

#include "eddy/eddy.hpp"
#include "support/allocations.hpp"
#include "support/catch.hpp"

using namespace eddy;

TEST_CASE("memory pool: blocks are aligned to 64 bytes, hold what was asked and do not overlap") {
  MemoryPool pool(0);
  std::vector<std::pair<unsigned char*, std::size_t>> blocks;
  for (const std::size_t bytes : {1u, 63u, 64u, 255u, 256u, 257u, 1000u, 4097u, 100001u}) {
    auto* block = static_cast<unsigned char*>(pool.allocate(bytes));
    CHECK(reinterpret_cast<std::uintptr_t>(block) % 64 == 0);
    std::memset(block, static_cast<int>(blocks.size()), bytes);
    blocks.push_back({block, bytes});
  }
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const auto [block, bytes] = blocks[i];
    CHECK(std::all_of(block, block + bytes, [&](unsigned char c) { return c == i; }));
    pool.free(block, bytes);
  }
  CHECK(pool.use().in_use == 0);
}

TEST_CASE("memory pool: sizes are rounded up by an eighth at most, in whole lines") {
  for (std::size_t bytes = 257; bytes <= 1 << 16; ++bytes) {
    const std::size_t size = MemoryPool::rounded(bytes);
    REQUIRE(size >= bytes);
    REQUIRE(size % 64 == 0);
    REQUIRE(size < bytes + std::max<std::size_t>(64, bytes / 8 + 1));
    REQUIRE(MemoryPool::rounded(size) == size);
  }
}

TEST_CASE("memory pool: a block that came back is handed out again, the system is asked once") {
  MemoryPool pool(0);
  void* const first = pool.allocate(1000);
  pool.free(first, 1000);
  CHECK(pool.allocate(990) == first);  // of the same class
  CHECK(pool.use().system_calls == 1);
  void* const second = pool.allocate(1000);
  CHECK(second != first);
  CHECK(pool.use().system_calls == 2);
  pool.free(first, 990);
  pool.free(second, 1000);
}

TEST_CASE("memory pool: counts what is in use, held, and held at most") {
  MemoryPool pool(0);
  void* const a = pool.allocate(4096);
  void* const b = pool.allocate(8192);
  CHECK(pool.use().in_use == 12288);
  pool.free(b, 8192);
  CHECK(pool.use().in_use == 4096);
  CHECK(pool.use().held == 12288);
  pool.release_unused();
  CHECK(pool.use().held == 4096);
  CHECK(pool.use().peak == 12288);
  pool.free(a, 4096);
  pool.release_unused();
  CHECK(pool.use().held == 0);
}

TEST_CASE("memory pool: the limit is an Error that says what was asked, and nothing is lost by it") {
  MemoryPool pool(10000);
  void* const a = pool.allocate(8192);
  CHECK_THROWS_WITH(pool.allocate(4096), Catch::Contains("4096 bytes") && Catch::Contains("limit of 10000") &&
                                             Catch::Contains("8192 in use"));
  CHECK(pool.use().in_use == 8192);
  CHECK(pool.use().held == 8192);
  pool.free(a, 8192);
  void* const b = pool.allocate(4096);  // out of what is held
  CHECK(b == a);
  CHECK(pool.use().held == 8192);
  pool.free(b, 4096);
  CHECK_THROWS_AS(pool.allocate(10001), Error);
}

TEST_CASE("memory pool: what nobody uses goes back before a request is refused") {
  constexpr std::size_t mega = std::size_t{1} << 20;
  MemoryPool pool(100 * mega);
  pool.free(pool.allocate(60 * mega), 60 * mega);
  void* const a = pool.allocate(70 * mega);
  CHECK(pool.use().held == 70 * mega);
  CHECK_THROWS_WITH(pool.allocate(40 * mega), Catch::Contains("limit of 104857600"));
  void* const b = pool.allocate(30 * mega);
  pool.free(a, 70 * mega);
  void* const c = pool.allocate(1000);  // of another region
  pool.free(b, 30 * mega);
  void* const d = pool.allocate(99 * mega);
  CHECK(pool.use().in_use == 99 * mega + 1024);
  pool.free(c, 1000);
  pool.free(d, 99 * mega);
  CHECK(pool.use().in_use == 0);
}

TEST_CASE("memory pool: neighbours that came back serve one longer block, the tightest hole a shorter one") {
  MemoryPool pool(0);
  std::vector<std::byte*> blocks;
  for (const std::size_t bytes : {4096, 2048, 1024, 8192, 1024}) blocks.push_back(static_cast<std::byte*>(pool.allocate(bytes)));
  const std::uint64_t asked = pool.use().system_calls;
  pool.free(blocks[3], 8192);
  pool.free(blocks[0], 4096);
  CHECK(pool.allocate(4096) == blocks[0]);
  pool.free(blocks[0], 4096);
  pool.free(blocks[1], 2048);
  CHECK(pool.allocate(6144) == blocks[0]);
  pool.free(blocks[0], 6144);
  pool.free(blocks[2], 1024);  // now from both sides
  CHECK(pool.allocate(15360) == blocks[0]);
  CHECK(pool.use().system_calls == asked);
  pool.free(blocks[0], 15360);
  pool.free(blocks[4], 1024);
  CHECK(pool.use().in_use == 0);
  pool.release_unused();
  CHECK(pool.use().held == 0);
}

TEST_CASE("memory pool: no memory for its own lists loses nothing") {
  if (!test::counts_allocations()) return;
  MemoryPool pool(0);
  const auto at_the_second_try = [&](std::size_t bytes) {
    const test::FailingAllocation failing(1);
    void* const block = pool.allocate(bytes);
    CHECK(failing.failed());
    return block;
  };
  void* const a = at_the_second_try(40960);  // the list of regions
  CHECK(pool.use().held == 40960);
  void* const b = at_the_second_try(640);  // some room beyond becomes a hole
  CHECK(b == static_cast<std::byte*>(a) + 40960);
  CHECK(pool.use().in_use == 41600);
  pool.free(a, 40960);
  pool.free(b, 640);
  pool.release_unused();
  CHECK(pool.use().held == 0);
}

TEST_CASE("memory pool: nothing for 0 bytes, an Error for more than can be addressed") {
  MemoryPool pool(0);
  CHECK(pool.allocate(0) == nullptr);
  pool.free(nullptr, 0);
  CHECK_THROWS_AS(pool.allocate(~std::size_t{0}), Error);
  CHECK_THROWS_AS(pool.allocate((std::size_t{1} << 62) + 1), Error);
  CHECK(pool.use().system_calls == 0);
}

TEST_CASE("memory pool: several threads take and give at once", "[threads]") {
  MemoryPool pool(0);
  std::vector<int> spoiled(4);
  std::vector<std::thread> threads;
  for (std::size_t id = 0; id < spoiled.size(); ++id) {
    threads.emplace_back([&, id] {
      for (std::size_t i = 0; i < 500; ++i) {
        const std::size_t bytes = 300 + i % 7 * 500;
        auto* block = static_cast<unsigned char*>(pool.allocate(bytes));
        std::memset(block, static_cast<int>(id), bytes);
        std::this_thread::yield();
        for (std::size_t k = 0; k < bytes; ++k) spoiled[id] += block[k] != id ? 1 : 0;
        pool.free(block, bytes);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(spoiled == std::vector<int>(4));
  CHECK(pool.use().in_use == 0);
  CHECK(pool.use().system_calls <= 4 * 7);
}

TEST_CASE("memory: a Context's limit holds for its tensors, and dropping some makes room") {
  ContextOptions options;
  options.memory_limit = 1 << 20;
  const Context context(options);
  Tensor a = Tensor::zeros({200000}, context);
  CHECK_THROWS_WITH(Tensor::zeros({100000}, context), Catch::Contains("limit of 1048576"));
  a = {};
  CHECK(Tensor::zeros({100000}, context).defined());
  CHECK(context.memory().in_use == 0);
}

TEST_CASE("memory: from the second identical step on the system is asked for nothing") {
  ContextOptions options;
  options.threads = 2;
  const Context context(options);
  const ParameterTree tree;
  const Conv2d first(tree.in("first"), 3, 16), last(tree.in("last"), 16, 3);
  const GroupNorm norm(tree.in("norm"), 16, {.groups = 4, .activation = Activation::silu});
  tree.allocate(context);
  tree.initialise(0);
  const Network network = [&](const Tensor& x, const Tensor&, const Condition&) { return last(norm(first(x))); };
  const Loss loss = [](const Network& n, const Batch& batch, const Draw&) {
    return mse_per_sample(n(batch.x, {}, {}), batch.x);
  };
  std::vector<std::uint64_t> calls;
  TrainState state;
  TrainOptions train_options{.steps = 5, .batch_size = 4, .accumulate = 3};
  train_options.on_step = [&](const TrainReport&) { calls.push_back(context.memory().system_calls); };
  const auto data = memory_samples(philox_noise(0).normal({20, 12, 12, 3}, kInitialNoise));
  train(network, Optimizer(tree.parameters()), data, loss, train_options, state);
  CHECK(calls.front() > 0);
  CHECK(calls == std::vector<std::uint64_t>(5, calls.front()));
}
