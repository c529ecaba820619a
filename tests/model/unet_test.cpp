#include "support/instruction_sets.hpp"
#include "support/unet_golden.hpp"

using namespace eddy;
using eddy::test::Golden;
using eddy::test::golden_condition;
using eddy::test::golden_unet;
using eddy::test::instruction_sets;
using eddy::test::norm;
using eddy::test::relative_l2;

TEST_CASE("unet: outputs and gradients are those of diffusers, on every instruction set", "[model]") {
  const std::string name = GENERATE("ddpm", "classes", "resnet", "middle", "nomiddle");
  for (const Isa isa : instruction_sets()) {
    for (const bool recompute : {false, true}) {
      CAPTURE(name, eddy::name(isa), recompute);
      const Context context(ContextOptions{.isa = isa, .threads = 2});
      const Golden golden("unet_" + name);
      const UNet unet = golden_unet(golden, context);
      unet.set_checkpoint(recompute);
      std::vector<Tensor> leaves{golden.tensor("in.x", context).variable()};
      for (const Parameter& parameter : unet.parameters()) leaves.push_back(parameter.value());
      const Tensor y = unet(leaves[0], golden.tensor("in.t", context), golden_condition(golden, context));
      CHECK(relative_l2(y.values(), golden.tensor("out.y").values()) < 1e-4);
      const std::vector<Tensor> found = gradients(y, leaves, golden.tensor("in.seed", context));
      CHECK(relative_l2(found[0].values(), golden.tensor("out.dx").values()) < 2e-4);
      double all = 0;
      for (const Parameter& p : unet.parameters()) all = std::hypot(all, norm(golden.tensor("grad." + p.name()).values()));
      for (std::size_t i = 0; i < unet.parameters().size(); ++i) {
        const std::string& parameter = unet.parameters()[i].name();
        const Tensor expected = golden.tensor("grad." + parameter);
        const double size = std::max(norm(expected.values()), 1e-4 * all);
        CAPTURE(parameter);
        CHECK(relative_l2(found[i + 1].values(), expected.values()) * norm(expected.values()) / size < 2e-4);
      }
    }
  }
}

TEST_CASE("unet: parameter counts are the published ones", "[model]") {
  const UNetConfig cifar10{.in_channels = 3,
                           .out_channels = 3,
                           .freq_shift = 1,
                           .flip_sin_to_cos = false,
                           .down_block_types = {DownBlock::down, DownBlock::attn_down, DownBlock::down, DownBlock::down},
                           .up_block_types = {UpBlock::up, UpBlock::up, UpBlock::attn_up, UpBlock::up},
                           .block_out_channels = {128, 256, 256, 256},
                           .downsample_padding = 0,
                           .attention_head_dim = std::nullopt,
                           .norm_eps = 1e-6};
  CHECK(UNet(cifar10, {.initialise = false}).tree().elements() == 35746307);
  const UNetConfig small{.in_channels = 1,
                         .out_channels = 1,
                         .down_block_types = {DownBlock::down, DownBlock::down, DownBlock::attn_down},
                         .up_block_types = {UpBlock::attn_up, UpBlock::up, UpBlock::up},
                         .block_out_channels = {32, 64, 128},
                         .attention_head_dim = 32,
                         .norm_num_groups = 8};
  CHECK(UNet(small, {.initialise = false}).tree().elements() == 3939393);
}

TEST_CASE("unet: a sample alone, in a batch and with other threads has the same bytes", "[model]") {
  const UNetConfig config{.in_channels = 2,
                          .out_channels = 2,
                          .down_block_types = {DownBlock::down, DownBlock::attn_down},
                          .up_block_types = {UpBlock::attn_up, UpBlock::up},
                          .block_out_channels = {12, 24},
                          .layers_per_block = 1,
                          .attention_head_dim = 8,
                          .norm_num_groups = 4};
  for (const Isa isa : instruction_sets()) {
    std::vector<float> reference;
    for (const int threads : {1, 2, 3, 7}) {
      const Context context(ContextOptions{.isa = isa, .threads = threads});
      const UNet unet(config, {.seed = 3, .initialisation = Initialisation::torch, .context = context});
      const Tensor x = philox_noise(1).normal({16, 11, 14, 2}, kInitialNoise, context);  // odd: goes to the skips' sizes
      const Tensor t = Tensor::full({16}, 500, context);
      const NoGrad no_grad;
      for (const std::int64_t batch : {16, 5, 2, 1}) {
        std::vector<float> all;
        for (std::int64_t first = 0; first < 16; first += batch) {
          const std::int64_t n = std::min<std::int64_t>(batch, 16 - first);
          const Tensor y = unet(x.rows(first, n), t.rows(first, n));
          all.insert(all.end(), y.values().begin(), y.values().end());
        }
        if (reference.empty()) reference = all;
        CAPTURE(eddy::name(isa), threads, batch);
        CHECK(all == reference);
      }
    }
  }
}

TEST_CASE("unet: what it cannot build or take is an error that names it", "[model]") {
  CHECK_THROWS_WITH(UNet(UNetConfig{.block_out_channels = {30, 64, 64, 64}}), Catch::Contains("32 groups do not divide 30"));
  CHECK_THROWS_WITH(UNet(UNetConfig{.block_out_channels = {32}}), Catch::Contains("one entry a level"));
  const UNet unet(UNetConfig{.down_block_types = {DownBlock::down}, .up_block_types = {UpBlock::up},
                             .block_out_channels = {8}, .norm_num_groups = 4});
  const Tensor x = Tensor::zeros({1, 4, 4, 3}), t = Tensor::zeros({1});
  CHECK_THROWS_WITH(unet(x, t, {{"class_labels", t}}), Catch::Contains("no class embedding"));
  CHECK_THROWS_WITH(unet(x, t, {{"labels", t}}), Catch::Contains("unknown condition 'labels'"));
  CHECK_THROWS_WITH(unet(Tensor::zeros({1, 4, 4, 2}), t), Catch::Contains("(N, H, W, 3)"));
  CHECK_THROWS_WITH(unet(x, Tensor::zeros({3})), Catch::Contains("one a sample"));
  for (const Activation other : {Activation::none, Activation::gelu_tanh, Activation::tanh, Activation::quick_gelu}) {
    CHECK_THROWS_WITH(UNet(UNetConfig{.act_fn = other}), Catch::Contains("act_fn"));
  }
}

TEST_CASE("unet: class labels come once, and with identity in the shape of the time embedding", "[model]") {
  UNetConfig config{.down_block_types = {DownBlock::down}, .up_block_types = {UpBlock::up}, .block_out_channels = {8},
                    .norm_num_groups = 4, .num_class_embeds = 3};
  const Tensor x = Tensor::zeros({2, 4, 4, 3}), t = Tensor::zeros({2}), one = Tensor::from({std::int64_t{1}}, {1});
  const UNet table(config);
  CHECK(table(x, t, {{"class_labels", one}}).defined());
  CHECK_THROWS_WITH(table(x, t, {{"class_labels", one}, {"class_labels", one}}), Catch::Contains("given twice"));
  config.num_class_embeds.reset();
  config.class_embed_type = ClassEmbedding::identity;
  const UNet identity(config);
  CHECK(identity(x, t, {{"class_labels", Tensor::zeros({2, 32})}}).defined());
  CHECK(identity(x, t, {{"class_labels", Tensor::zeros({1, 32})}}).defined());
  for (const Shape& shape : {Shape{}, Shape{2}, Shape{2, 1}, Shape{1}, Shape{3, 32}, Shape{32}}) {
    CHECK_THROWS_WITH(identity(x, t, {{"class_labels", Tensor::zeros(shape)}}), Catch::Contains("(2 or 1, 32)"));
  }
}

TEST_CASE("unet: a clone has weights of its own, a copy shares them", "[model]") {
  const UNet unet(UNetConfig{.down_block_types = {DownBlock::down}, .up_block_types = {UpBlock::up},
                             .block_out_channels = {8}, .norm_num_groups = 4});
  const UNet copy = unet, clone = unet.clone();
  unet.parameters()[0].write()[0] = 42;
  CHECK(copy.parameters()[0].value().values()[0] == 42);
  CHECK(clone.parameters()[0].value().values()[0] != 42);
}
