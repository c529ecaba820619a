#include <algorithm>
#include <map>

#include "base/files.hpp"
#include "eddy/eddy.hpp"
#include "io/json.hpp"
#include "support/catch.hpp"
#include "support/golden.hpp"
#include "support/temporary.hpp"

using namespace eddy;
using eddy::test::Golden;
using eddy::test::relative_l2;
using eddy::test::Temporary;

namespace {

// As `values` in scripts/make_goldens_layouts.py.
std::vector<float> values(const std::string& name, const std::vector<std::int64_t>& shape) {
  std::uint32_t seed = 2166136261u;
  for (const char c : name) seed = (seed ^ static_cast<unsigned char>(c)) * 16777619u;
  std::int64_t count = 1;
  for (const std::int64_t extent : shape) count *= extent;
  float scale = 2;
  for (std::int64_t fan = count == 0 || shape.empty() ? 1 : count / shape[0]; fan >= 4; fan /= 4) scale /= 2;
  const float middle = name.ends_with(".weight") ? 1.0f : 0.0f;
  std::vector<float> result(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < result.size(); ++i) {
    std::uint32_t h = static_cast<std::uint32_t>(i) * 2654435761u + seed;
    for (int k = 0; k < 2; ++k) h = (h ^ h >> 16) * 0x45d9f3bu;
    h ^= h >> 16;
    const float unit = static_cast<float>(h >> 8) / 16777216.0f - 0.5f;
    result[i] = shape.size() == 1 ? unit / 4 + middle : unit * scale;
  }
  return result;
}

struct Original {
  std::string name;
  std::vector<std::int64_t> shape;
};

std::vector<Original> originals(const Golden& golden, const std::string& name) {
  const Json shapes = parse_json(golden.file().metadata().at("shapes"), "golden")[name];
  std::vector<Original> result;
  for (const auto& [key, shape] : shapes.items()) result.push_back({key, shape.get<std::vector<std::int64_t>>()});
  return result;
}

void write_original(const std::string& path, const std::vector<Original>& tensors, const std::string& prefix = {}) {
  std::vector<std::vector<float>> memory;
  for (const Original& t : tensors) memory.push_back(values(t.name, t.shape));
  std::vector<NamedValues> named;
  for (std::size_t i = 0; i < tensors.size(); ++i) named.push_back({prefix + tensors[i].name, tensors[i].shape, memory[i]});
  write_safetensors(path, named);
}

double error_of(const Golden& golden, const std::string& name, const UNet& unet) {
  Condition condition;
  if (golden.has(name + ".class_labels")) condition = {{"class_labels", golden.tensor(name + ".class_labels")}};
  const NoGrad no_grad;
  const Tensor y = unet(golden.tensor(name + ".x"), golden.tensor(name + ".t"), condition);
  return relative_l2(y.values(), golden.tensor(name + ".y").values());
}

}  // namespace

TEST_CASE("convert: a file of another program's names gives that program's output", "[convert]") {
  const Temporary folder;
  const Golden golden("layouts");
  struct Case {
    std::string name, config, prefix;
    bool new_order = false;
  };
  const std::vector<Case> cases{{"ddpm", {}, {}},
                                {"improved", R"({"attention_head_dim": 32})", "module."},
                                {"guided", R"({"attention_head_dim": 16})", {}},
                                {"guided_new_order", R"({"attention_head_dim": 8})", {}, true},
                                {"consistency", R"({"attention_head_dim": 16, "sample_size": 8})", {}},
                                {"edm", {}, "model."}};
  for (const Case& c : cases) {
    INFO(c.name);
    const std::string path = folder / (c.name + ".safetensors"), config = folder / (c.name + ".json");
    write_original(path, originals(golden, c.name), c.prefix);
    if (!c.config.empty()) write_file(config, c.config);
    ConvertOptions options{.config = c.config.empty() ? "" : config, .new_attention_order = c.new_order};
    convert_model(path, folder / c.name, options);
    const UNet unet = load_unet(folder / (c.name + "/unet"));
    CHECK(error_of(golden, c.name, unet) < 1e-5);
    if (c.name == "edm") CHECK(unet.config().sample_height == 8);
    if (c.name.starts_with("guided")) {  // the other order is another network
      options.new_attention_order = !c.new_order;
      convert_model(path, folder / (c.name + "-other"), options);
      CHECK(error_of(golden, c.name, load_unet(folder / (c.name + "-other/unet"))) > 1e-3);
    }
  }
  const Model ddpm = load_model(folder / "ddpm");
  CHECK(ddpm.scheduler.name() == "ddpm");
  CHECK(parse_json(ddpm.scheduler.json(), "scheduler")["beta_end"] == 0.02);
  CHECK(parse_json(load_model(folder / "guided").scheduler.json(), "scheduler")["variance_type"] == "learned_range");
  CHECK(read_json(folder / "consistency/model_index.json")["_class_name"] == "ConsistencyModelPipeline");
  CHECK(read_json(folder / "consistency/scheduler/scheduler_config.json")["_class_name"] == "CMStochasticIterativeScheduler");
  CHECK(read_json(folder / "edm/scheduler/scheduler_config.json")["sigma_data"] == 0.5);
}

TEST_CASE("convert: what is no UNet2DModel, or is not told, is an error that says which", "[convert]") {
  const Temporary folder;
  const Golden golden("layouts");
  const std::string path = folder / "x.safetensors", to = folder / "to";
  const auto refused = [&](const std::vector<Original>& tensors, const std::string& text, const ConvertOptions& options = {}) {
    write_original(path, tensors);
    CHECK_THROWS_WITH(convert_model(path, to, options), Catch::Contains(text));
    CHECK_FALSE(exists(to));
  };
  const auto without = [](std::vector<Original> tensors, const std::string& name) {
    std::erase_if(tensors, [&](const Original& t) { return t.name == name; });
    return tensors;
  };
  const auto ddpm = originals(golden, "ddpm"), guided = originals(golden, "guided"), edm = originals(golden, "edm");
  const std::string heads = folder / "heads.json";
  const auto config = [&](const std::string& text) {
    write_file(heads, text);
    return ConvertOptions{.config = heads};
  };
  refused(without(ddpm, "mid.block_2.conv1.bias"),
          "there is no mid.block_2.conv1.bias (diffusers' mid_block.resnets.1.conv1.bias)");
  std::vector<Original> more = ddpm;
  more.push_back({"logvar", {1000}});
  refused(more, "logvar has no place");
  refused(guided, "attention_head_dim");
  refused(guided, "must be (144, 64) to be", config(R"({"attention_head_dim": 24})"));
  refused(guided, "block_out_channels", config(R"({"attention_head_dim": 16, "block_out_channels": "x"})"));
  refused(guided, "UNet2DModel", config(R"({"_class_name": "UNet2DConditionModel"})"));
  refused(guided, "input_blocks.0.0.weight must be (64, 3, 3, 3) to be diffusers' conv_in.weight",
          config(R"({"attention_head_dim": 16, "block_out_channels": [64, 64]})"));
  std::vector<Original> narrow = edm;
  for (Original& t : narrow) {
    if (t.name == "out_norm.weight") t.shape = {64};
  }
  refused(narrow, "different numbers of groups");
  std::vector<Original> filtered = edm;
  for (Original& t : filtered) {
    if (t.name.ends_with("resample_filter")) t.shape = {1, 1, 4, 4};
  }
  refused(filtered, "resample_filter must be 1 x 1 x 2 x 2");
  refused({{"map_layer0.weight", {4, 4}}, {"dec.8x8_aux_norm.weight", {4}}, {"enc.8x8_conv.weight", {4}}}, "SongUNet");
  refused({{"all_modules.0.W", {4}}}, "score_sde");
  refused({{"downs.0.0.block1.proj.weight", {4}}}, "unknown layout, as downs.0.0.block1.proj.weight");
  refused({{"conv_in.weight", {4}}, {"time_embedding.linear_1.weight", {4}}}, "--config");
  for (const char* name : {"model.ckpt", "model.pt", "model.bin", "ema.pth", "edm.pkl"}) {
    write_file(folder / name, "\x80\x02}q");
    CHECK_THROWS_WITH(convert_model(folder / name, to), Catch::Contains("python -c") && Catch::Contains(".safetensors"));
  }
  CHECK_THROWS_WITH(convert_model(folder / "nothing", to), Catch::Contains("nothing: there is no such file or folder"));
}

TEST_CASE("convert: hostile files of every layout end in an error", "[convert]") {
  const Temporary folder;
  const Golden golden("layouts");
  const std::string path = folder / "x.safetensors", config = folder / "c.json";
  write_file(config, R"({"attention_head_dim": 16})");
  for (const char* name : {"ddpm", "guided", "edm"}) {
    const std::vector<Original> good = originals(golden, name);
    for (std::size_t i = 0; i < good.size(); i += 7) {  // a tensor of rank 0, of no elements, of one element, or none at all
      for (int kind = 0; kind < 4; ++kind) {
        std::vector<Original> bad = good;
        for (Original& t : bad) t.shape.front() = std::min<std::int64_t>(t.shape.front(), 1);  // small: names and ranks count
        bad[i].shape = std::vector<std::vector<std::int64_t>>{{}, {0, 0}, {1, 1, 1, 1, 1, 1, 1}, {1}}[static_cast<std::size_t>(kind)];
        if (kind == 3) bad.erase(bad.begin() + static_cast<std::ptrdiff_t>(i));
        write_original(path, bad);
        CHECK_THROWS_AS(convert_model(path, folder / "to", {.config = config}), Error);
      }
    }
  }
  CHECK_FALSE(exists(folder / "to"));
}
