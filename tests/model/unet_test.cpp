#include "support/instruction_sets.hpp"
#include "support/unet_golden.hpp"

using namespace eddy;
using eddy::test::Golden;
using eddy::test::as_stored;
using eddy::test::golden_condition;
using eddy::test::golden_unet;
using eddy::test::instruction_sets;
using eddy::test::norm;
using eddy::test::relative_l2;

TEST_CASE("unet: outputs and gradients are those of diffusers, on every instruction set", "[model]") {
  const std::string name = GENERATE("ddpm", "classes", "resnet", "middle", "nomiddle", "ncsnpp", "skips", "learned", "guided",
                                    "k", "knarrow");
  for (const Isa isa : instruction_sets()) {
    for (const bool recompute : {false, true}) {
      CAPTURE(name, eddy::name(isa), recompute);
      const Context context(ContextOptions{.isa = isa, .threads = 2});
      const Golden golden("unet_" + name);
      const UNet unet = golden_unet(golden, context);
      unet.set_checkpoint(recompute);
      std::vector<Tensor> leaves{golden.tensor("in.x", context).variable()};
      std::vector<std::string> names;
      for (const Parameter& parameter : unet.parameters()) {
        CHECK(parameter.trainable() == golden.has("grad." + parameter.name()));
        if (!parameter.trainable()) continue;
        names.push_back(parameter.name());
        leaves.push_back(parameter.value());
      }
      const Tensor y = unet(leaves[0], golden.tensor("in.t", context), golden_condition(golden, context));
      CHECK(relative_l2(y.values(), golden.tensor("out.y").values()) < 1e-4);
      const std::vector<Tensor> found = gradients(y, leaves, golden.tensor("in.seed", context));
      CHECK(relative_l2(found[0].values(), golden.tensor("out.dx").values()) < 2e-4);
      double all = 0;
      std::vector<double> norms;  // of whole gradients, as the stored elements tell them
      for (std::size_t i = 0; i < names.size(); ++i) {
        const Tensor kept = golden.tensor("grad." + names[i]);
        const double share = static_cast<double>(kept.elements()) / static_cast<double>(found[i + 1].elements());
        norms.push_back(norm(kept.values()) / std::sqrt(share));
        all = std::hypot(all, norms.back());
      }
      for (std::size_t i = 0; i < names.size(); ++i) {
        const Tensor expected = golden.tensor("grad." + names[i]);
        CAPTURE(names[i]);
        const std::vector<float> got = as_stored(found[i + 1].values(), expected.values().size());
        CHECK(relative_l2(got, expected.values()) * norms[i] / std::max(norms[i], 1e-4 * all) < 2e-4);
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
  // google/ncsnpp-celebahq-256 and ncsnpp-church-256
  const UNetConfig ncsnpp{.time_embedding_type = TimeEmbedding::fourier,
                          .down_block_types = {DownBlock::skip_down, DownBlock::skip_down, DownBlock::skip_down,
                                               DownBlock::skip_down, DownBlock::attn_skip_down, DownBlock::skip_down,
                                               DownBlock::skip_down},
                          .up_block_types = {UpBlock::skip_up, UpBlock::skip_up, UpBlock::attn_skip_up, UpBlock::skip_up,
                                             UpBlock::skip_up, UpBlock::skip_up, UpBlock::skip_up},
                          .block_out_channels = {128, 128, 256, 256, 256, 256, 256},
                          .mid_block_scale_factor = 1.4142135623730951,
                          .attention_head_dim = std::nullopt,
                          .norm_num_groups = std::nullopt,
                          .norm_eps = 1e-6};
  CHECK(UNet(ncsnpp, {.allocate = false}).tree().elements() == 65574549);
}

TEST_CASE("unet: a sample alone, in a batch and with other threads has the same bytes", "[model]") {
  UNetConfig config{.in_channels = 3,
                    .out_channels = 3,
                    .down_block_types = {DownBlock::down, DownBlock::attn_down},
                    .up_block_types = {UpBlock::attn_up, UpBlock::up},
                    .block_out_channels = {12, 24},
                    .layers_per_block = 1,
                    .attention_head_dim = 8,
                    .norm_num_groups = 4};
  const std::string kind = GENERATE("plain", "skip", "k");
  if (kind != "plain") {
    const bool skip = kind == "skip";
    config.time_embedding_type = TimeEmbedding::fourier;
    config.down_block_types = std::vector(2, skip ? DownBlock::skip_down : DownBlock::k_down);
    config.up_block_types = std::vector(2, skip ? UpBlock::skip_up : UpBlock::k_up);
    config.block_out_channels = {32, 32};
  }
  for (const Isa isa : instruction_sets()) {
    std::vector<float> reference;
    for (const int threads : {1, 2, 3, 7}) {
      const Context context(ContextOptions{.isa = isa, .threads = threads});
      const UNet unet(config, {.seed = 3, .initialisation = Initialisation::torch, .context = context});
      const Tensor x = philox_noise(1).normal({16, 11, 14, 3}, kInitialNoise, context);  // odd: goes to the skips' sizes
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
        CAPTURE(kind, eddy::name(isa), threads, batch);
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

TEST_CASE("unet: blocks that do not go together, and times that the embedding does not know, are named", "[model]") {
  const auto refused = [](std::vector<DownBlock> down, std::vector<UpBlock> up, const char* message, auto change) {
    UNetConfig c{.down_block_types = std::move(down), .up_block_types = std::move(up), .block_out_channels = {32, 32}};
    change(c);
    CHECK_THROWS_WITH(UNet(c, {.allocate = false}), Catch::Contains(message));
  };
  const auto as_it_is = [](UNetConfig&) {};
  using D = DownBlock;
  using U = UpBlock;
  refused({D::down, D::down}, {U::skip_up, U::up}, "up_block_types[1] follows a skip block", as_it_is);
  refused({D::skip_down, D::down}, {U::up, U::up}, "in_channels must be 3", [](UNetConfig& c) { c.in_channels = 1; });
  refused({D::down, D::down}, {U::skip_up, U::skip_up}, "out_channels must be 3", [](UNetConfig& c) { c.out_channels = 6; });
  refused({D::skip_down, D::down}, {U::up, U::up}, "norm_num_groups must be given",
          [](UNetConfig& c) { c.norm_num_groups.reset(); });
  refused({D::k_down, D::down}, {U::up, U::up}, "up_block_types[0] does not fit", as_it_is);
  refused({D::down, D::down}, {U::k_up, U::k_up}, "up_block_types[1] does not fit", as_it_is);
  refused({D::down, D::down}, {U::up, U::up}, "num_train_timesteps must be given",
          [](UNetConfig& c) { c.time_embedding_type = TimeEmbedding::learned; });
  refused({D::down, D::down}, {U::up, U::up}, "freq_shift", [](UNetConfig& c) { c.freq_shift = 16; });
  refused({D::attn_down, D::down}, {U::up, U::up}, "attention_head_dim must be 1 to the 32 channels, got 33",
          [](UNetConfig& c) { c.attention_head_dim = 33; });
  UNetConfig gap{.down_block_types = {D::skip_down, D::down, D::skip_down, D::down}, .up_block_types = std::vector(4, U::up),
                 .block_out_channels = {32, 32, 32, 32}};
  CHECK_THROWS_WITH(UNet(gap, {.allocate = false}), Catch::Contains("down_block_types[2] is a skip block"));
  gap.down_block_types = {D::down, D::down, D::down, D::k_down};
  CHECK_NOTHROW(UNet(gap, {.allocate = false}));  // the last place has no step

  UNetConfig c{.down_block_types = {D::down}, .up_block_types = {U::up}, .block_out_channels = {8}, .norm_num_groups = 4,
               .num_train_timesteps = 10};
  const Tensor x = Tensor::zeros({1, 4, 4, 3});
  c.time_embedding_type = TimeEmbedding::learned;
  for (const float t : {-1.0f, 10.0f, 2.5f}) {
    CHECK_THROWS_WITH(UNet(c)(x, Tensor::full({1}, t)), Catch::Contains("whole numbers in [0, 10)"));
  }
  CHECK_NOTHROW(UNet(c)(x, Tensor::full({1}, 9)));
  c.time_embedding_type = TimeEmbedding::fourier;
  CHECK_THROWS_WITH(UNet(c)(x, Tensor::zeros({1})), Catch::Contains("t must be positive"));
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
