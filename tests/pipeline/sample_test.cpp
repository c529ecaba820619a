#include <cmath>

#include "eddy/eddy.hpp"
#include "pipeline/scheduler/recipe.hpp"
#include "support/catch.hpp"

using namespace eddy;

namespace {

Model small_model(int threads) {
  UNetConfig c;
  c.sample_height = c.sample_width = 8;
  c.in_channels = c.out_channels = 1;
  c.down_block_types = {DownBlock::down, DownBlock::attn_down};
  c.up_block_types = {UpBlock::attn_up, UpBlock::up};
  c.block_out_channels = {8, 16};
  c.layers_per_block = 1;
  c.norm_num_groups = 4;
  c.num_class_embeds = 4;
  const Context context(ContextOptions{.threads = threads});
  const SchedulerConfig scheduler(R"({"prediction_type": "v_prediction"})");
  return {UNet(c, {.initialisation = Initialisation::torch, .context = context}), scheduler, {"a", "b", "c"}, 3};
}

bool same(const Tensor& a, const Tensor& b) { return std::ranges::equal(a.values(), b.values()); }

}  // namespace

TEST_CASE("sample: the same bytes for any threads and any batch", "[threads]") {
  for (const SchedulerClass& each : scheduler_classes()) {
    INFO(each.name);
    const auto model_of = [&](int threads) {
      Model model = small_model(threads);
      model.scheduler = SchedulerConfig(R"({"_class_name": ")" + std::string(each.class_name) + "\"}");
      return model;
    };
    SampleOptions options{.num = 17, .batch_size = 17, .steps = each.network == std::string("TrigFlow consistency models") ? 2 : 6,
                          .guidance = 2, .seed = 9};
    if (each.takes.eta) options.eta = 0.5;
    const auto sampled = [&](const Model& model) {
      SampleOptions o = options;
      if (each.takes.picture) {
        const Context context = model.unet.parameters().front().value().context();
        o.picture = philox_noise(4).normal({1, 8, 8, 1}, kUser, context);
        if (each.takes.mask) o.mask = clamp(philox_noise(5).normal({1, 8, 8, 1}, kUser, context), 0, 1);
      }
      return sample(model, o).x;
    };
    const Tensor expected = sampled(model_of(1));
    for (const int threads : {1, 2, 3, 7}) {
      const Model model = model_of(threads);
      for (const std::int64_t batch : {1, 2, 5, 16}) {
        options.batch_size = batch;
        CHECK(same(sampled(model), expected));
      }
    }
    options.num = 3;
    CHECK(same(sampled(model_of(2)), expected.rows(0, 3)));
    options.seed = 10;
    const bool inverts = each.takes.picture && !each.takes.mask;  // begins with a picture, and draws nothing
    CHECK(same(sampled(model_of(2)), expected.rows(0, 3)) == inverts);
  }
}

TEST_CASE("sample: an inversion begins with the picture, each sample with the same one") {
  const Model model = small_model(2);
  const Context context = model.unet.parameters().front().value().context();
  const Tensor picture = affine(philox_noise(4).normal({1, 8, 8, 1}, kUser, context), 0.5);
  const std::string plain = R"({"clip_sample": false, "timestep_spacing": "trailing"})";
  for (const char* name : {"ddim_inverse", "dpmpp_2m_inverse"}) {
    INFO(name);
    SampleOptions options{.num = 3, .batch_size = 2, .sampler = name, .scheduler = plain, .steps = 20, .classes = {1}};
    CHECK(!same(sample(model, options).x.rows(0, 1), sample(model, options).x.rows(1, 1)));  // of noise, as diffusers' loop
    options.picture = picture;
    const Tensor noise = sample(model, options).x;
    const SchedulerConfig config = model.scheduler.with_sampler(name).with(plain);
    const Sampling by_hand = sampling_of(config, {.steps = 20});  // begins with the x that it is given
    const Condition condition{{"class_labels", Tensor::from({std::int64_t{1}}, {1}, context)}};
    const Tensor one = by_hand.sampler(by_hand.denoiser(model.unet, condition), picture, by_hand.steps, philox_noise(0), {});
    for (std::int64_t i = 0; i < 3; ++i) CHECK(same(noise.rows(i, 1), one));
    CHECK(!same(one, picture));
    options.picture = Tensor::zeros({1, 8, 4, 1}, context);
    CHECK_THROWS_WITH(sample(model, options), Catch::Contains("(2, 8, 8, 1), the picture (1, 8, 4, 1)"));
    options.picture = options.mask = picture;
    CHECK_THROWS_WITH(sample(model, options), Catch::Contains("has no mask") && Catch::Contains("repaint"));
  }
  const SampleOptions forwards{.num = 1, .sampler = "ddim", .steps = 3, .picture = picture};
  CHECK_THROWS_WITH(sample(model, forwards), Catch::Contains("ddim has no picture") && Catch::Contains("ddim_inverse"));
}

TEST_CASE("sample: classes in turn, none, and what is refused") {
  const Model model = small_model(2);
  SampleOptions options{.num = 4, .steps = 3};
  const Tensor in_turn = sample(model, options).x;
  options.classes = {0, 1, 2};
  CHECK(same(sample(model, options).x, in_turn));
  options.classes = {1};
  CHECK(!same(sample(model, options).x, in_turn));
  options.classes = {4};
  CHECK_THROWS_WITH(sample(model, options), Catch::Contains("no class 4") && Catch::Contains("has 3, from 0 to 2"));
  options.classes = {0, 3};  // the row for no label is no class
  CHECK_THROWS_WITH(sample(model, options), Catch::Contains("no class 3"));
  options.classes = {};
  options.no_class = true;
  CHECK(!same(sample(model, options).x, in_turn));
  Model unaware = model;
  unaware.no_label = -1;
  CHECK_THROWS_WITH(sample(unaware, options), Catch::Contains("no label"));
}

TEST_CASE("sample: what cannot be had of classes and guidance is refused before the first batch") {
  const Model model = small_model(1);
  int steps = 0;
  SampleOptions options{.num = 4, .batch_size = 1, .steps = 2, .classes = {0, 1, 2, 7}};
  options.on_progress = [&](std::int64_t, std::int64_t) { ++steps; };
  CHECK_THROWS_WITH(sample(model, options), Catch::Contains("no class 7") && Catch::Contains(": 0 a, 1 b, 2 c"));
  CHECK(steps == 0);
  options.classes = {};
  options.guidance = std::nan("");
  CHECK_THROWS_WITH(sample(model, options), Catch::Contains("guidance must be a finite number"));
  options.guidance = 3;
  options.no_class = true;
  CHECK_THROWS_WITH(sample(model, options), Catch::Contains("without a label"));
  options.no_class = false;
  Model unlabelled = model;
  UNetConfig config = model.unet.config();
  config.num_class_embeds = std::nullopt;
  unlabelled.unet = UNet(config);
  unlabelled.no_label = -1;
  CHECK_THROWS_WITH(sample(unlabelled, options), Catch::Contains("--class-folders") && Catch::Contains("--label-dropout"));
}

TEST_CASE("sample: the row for no label may be any, and is never drawn unasked") {
  Model model = small_model(2);
  model.no_label = 1;
  SampleOptions options{.num = 4, .steps = 2};
  const Tensor in_turn = sample(model, options).x;
  options.classes = {0, 2, 3, 0};
  CHECK(same(sample(model, options).x, in_turn));
  options.classes = {1};
  CHECK_THROWS_WITH(sample(model, options), Catch::Contains("no class 1"));
  UNetConfig one = model.unet.config();
  one.num_class_embeds = 1;
  model.unet = UNet(one);
  model.no_label = 0;
  options.classes = {};
  CHECK_THROWS_WITH(sample(model, options), Catch::Contains("only row"));
  options.no_class = true;
  CHECK(sample(model, options).x.extent(0) == 4);
}

TEST_CASE("sample: torch noise depends on num alone, the trajectory ends in the sample") {
  const Model model = small_model(2);
  SampleOptions options{.num = 5, .batch_size = 5, .steps = 4, .torch_noise = TorchVariant::a, .trajectory = true};
  const Samples whole = sample(model, options);
  options.batch_size = 2;
  CHECK(same(sample(model, options).x, whole.x));
  const std::int64_t m = whole.trajectory.extent(0) / 2;
  CHECK(m == 4);
  CHECK(same(whole.trajectory.rows(m - 1, 1), whole.x.rows(0, 1)));
  CHECK(same(whole.trajectory.rows(2 * m - 1, 1), whole.x.rows(0, 1)));  // at the end x is x0
}

TEST_CASE("sample: the picture's size shifts a flow where its scheduler says so") {
  Model model = small_model(2);
  const auto at = [&](const char* fields, std::int64_t size) {
    model.scheduler = SchedulerConfig(fields);
    return sample(model, {.num = 1, .steps = 3, .height = size, .width = size}).x;
  };
  // mu = 2 at 16 tokens, and falls.
  const char* const shifted = R"({"_class_name": "FlowMatchEulerDiscreteScheduler", "use_dynamic_shifting": true,
                                  "base_image_seq_len": 16, "max_image_seq_len": 64, "base_shift": 2, "max_shift": 1})";
  const char* const solver = R"({"_class_name": "UniPCMultistepScheduler", "use_dynamic_shifting": true, "use_flow_sigmas": true,
                                 "prediction_type": "flow_prediction", "base_image_seq_len": 16, "base_shift": 2})";
  for (const char* fields : {shifted, solver}) {
    const Sampling by_hand = sampling_of(SchedulerConfig(fields), {.steps = 3, .mu = 2});
    const Tensor z = philox_noise(0).normal({1, 4, 4, 1}, kInitialNoise, model.unet.parameters().front().value().context());
    const Condition condition{{"class_labels", Tensor::from({std::int64_t{0}}, {1}, z.context())}};
    const Tensor x = by_hand.sampler(by_hand.denoiser(model.unet, condition), z, by_hand.steps, philox_noise(0), {});
    CHECK(same(at(fields, 4), x));
  }
  CHECK(at(R"({"_class_name": "FlowMatchEulerDiscreteScheduler"})", 4).extent(0) == 1);
  CHECK(at(R"({"_class_name": "UniPCMultistepScheduler", "use_dynamic_shifting": true})", 4).extent(0) == 1);
}

TEST_CASE("sample: guidance 1 is off, other sizes than the model's are taken, cancel throws") {
  const Model model = small_model(2);
  SampleOptions options{.num = 2, .steps = 3, .height = 12, .width = 7};
  CHECK(sample(model, options).x.shape() == Shape{2, 12, 7, 1});
  options.cancel.cancel();
  CHECK_THROWS_AS(sample(model, options), Cancelled);
}

TEST_CASE("sample: a noise prediction that begins at a tiny alpha without a limit draws a warning") {
  std::vector<std::string> warnings;
  const Context context({.threads = 1, .log = [&](LogLevel, std::string_view text) { warnings.emplace_back(text); }});
  Model model = small_model(1);
  model.unet = UNet(model.unet.config(), {.context = context});
  const SampleOptions options{.num = 1, .steps = 2};
  const auto count = [&](const std::string& prediction, bool clip) {
    model.scheduler = SchedulerConfig(R"({"beta_schedule": "squaredcos_cap_v2", "timestep_spacing": "trailing", "clip_sample": )" +
                                      std::string(clip ? "true" : "false") + R"(, "prediction_type": ")" + prediction + "\"}");
    warnings.clear();
    sample(model, options);
    return warnings.size();
  };
  CHECK(count("epsilon", true) == 0);
  CHECK(count("v_prediction", false) == 0);
  REQUIRE(count("epsilon", false) == 1);
  CHECK_THAT(warnings[0], Catch::Contains("clip_sample"));
}

TEST_CASE("sample: an inversion that begins with noise draws a warning") {
  std::vector<std::string> warnings;
  const Context context({.threads = 1, .log = [&](LogLevel, std::string_view text) { warnings.emplace_back(text); }});
  Model model = small_model(1);
  model.unet = UNet(model.unet.config(), {.context = context});
  SampleOptions options{.num = 1, .sampler = "ddim_inverse", .steps = 2};
  sample(model, options);
  REQUIRE(warnings.size() == 1);
  CHECK_THAT(warnings[0], Catch::Contains("ddim_inverse") && Catch::Contains("--picture"));
  options.picture = Tensor::zeros({1, 8, 8, 1}, context);
  sample(model, options);
  CHECK(warnings.size() == 1);
}

TEST_CASE("sample: another list of sigmas, another spacing, and where there is none") {
  const Model model = small_model(2);
  const SampleOptions options{.num = 2, .sampler = "euler", .steps = 5};
  const auto with = [&](SampleOptions o, const char* sigmas, const char* spacing) {
    o.sigmas = sigmas;
    o.spacing = spacing;
    return sample(model, o).x;
  };
  const Tensor plain = sample(model, options).x;
  CHECK(same(with(options, "", "linspace"), plain));
  CHECK(!same(with(options, "", "trailing"), plain));
  CHECK(!same(with(options, "karras", ""), plain));
  CHECK(!same(with(options, "karras", ""), with(options, "exponential", "")));
  CHECK_THROWS_WITH(with({.num = 1, .sampler = "ddim"}, "karras", ""), Catch::Contains("ddim has no list of sigmas"));
  CHECK_THROWS_WITH(with({.num = 1, .sampler = "dpm_fast"}, "", "leading"),
                    Catch::Contains("dpm_fast has no timesteps to space"));
  CHECK_THROWS_WITH(with(options, "", "even"), Catch::Contains("timestep_spacing"));
}
