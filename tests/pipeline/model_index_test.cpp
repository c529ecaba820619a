#include "pipeline/model_index.hpp"

#include <algorithm>
#include <filesystem>
#include <limits>

#include "base/files.hpp"
#include "eddy/eddy.hpp"
#include "io/safetensors.hpp"
#include "support/catch.hpp"
#include "support/temporary.hpp"

using namespace eddy;
using eddy::test::Temporary;

namespace {

Model small() {
  const UNetConfig c{.down_block_types = {DownBlock::down}, .up_block_types = {UpBlock::up}, .block_out_channels = {8},
                     .norm_num_groups = 4};
  return {UNet(c, {.seed = 3})};
}

void change(const std::string& path, const std::string& key, const Json& value) {
  Json json = read_json(path);
  json[key] = value;
  write_json(path, json);
}

}  // namespace

TEST_CASE("model index: every pipeline of a UNet2DModel and a scheduler is known, and stays what it was", "[index]") {
  const Temporary folder;
  const std::string a = folder / "a", b = folder / "b", index = a + "/model_index.json";
  for (const char* name : {"DDPMPipeline", "DDIMPipeline", "PNDMPipeline", "ScoreSdeVePipeline", "KarrasVePipeline",
                           "RePaintPipeline", "ConsistencyModelPipeline"}) {
    save_model(a, small());
    change(index, "_class_name", name);
    save_model(b, load_model(a));
    CHECK(read_json(b + "/model_index.json")["_class_name"] == name);
    CHECK(read_json(b + "/model_index.json") == read_json(index));
  }
}

TEST_CASE("model index: what a folder told comes out again as it went in", "[index]") {
  const Temporary folder;
  const std::string a = folder / "a", b = folder / "b";
  save_model(a, small());
  change(a + "/model_index.json", "_diffusers_version", "0.10.2");
  change(a + "/model_index.json", "requires_safety_checker", false);
  change(a + "/model_index.json", "extra", {1, "two", nullptr});
  change(a + "/model_index.json", "feature_extractor", {nullptr, nullptr});
  change(a + "/unet/config.json", "_name_or_path", "somewhere");
  change(a + "/scheduler/scheduler_config.json", "of_tomorrow", {1, 2});
  change(a + "/scheduler/scheduler_config.json", "lambda_min_clipped", -std::numeric_limits<double>::infinity());
  Json stated = read_json(a + "/scheduler/scheduler_config.json");
  stated.erase("timestep_spacing");
  write_json(a + "/scheduler/scheduler_config.json", stated);
  change(a + "/unet/config.json", "decay", 0.9999);
  Json fewer = read_json(a + "/unet/config.json");
  fewer.erase("attn_norm_num_groups");
  write_json(a + "/unet/config.json", fewer);
  Model model = load_model(a);
  save_model(b, model);
  for (const char* file : {"/model_index.json", "/unet/config.json", "/scheduler/scheduler_config.json", "/eddy.json"}) {
    CHECK(read_file(b + file, 100000) == read_file(a + file, 100000));
  }
  UNetConfig other = model.unet.config();
  other.layers_per_block = 1;
  model.unet = UNet(other);
  model.scheduler = model.scheduler.with(R"({"beta_end": 0.5})");
  save_model(b, model);  // a changed field is written, what is not ours stays
  const Json unet = read_json(b + "/unet/config.json");
  CHECK(unet["layers_per_block"] == 1);
  CHECK(unet["decay"] == 0.9999);
  CHECK(unet["attn_norm_num_groups"].is_null());
  CHECK(load_model(b).unet.config() == other);
  const Json scheduler = read_json(b + "/scheduler/scheduler_config.json");
  CHECK(scheduler["beta_end"] == 0.5);
  CHECK(scheduler["of_tomorrow"] == Json({1, 2}));
  CHECK(scheduler["lambda_min_clipped"] == -std::numeric_limits<double>::infinity());
}

TEST_CASE("model index: unknown pipelines and components, and missing ones, are errors that name them", "[index]") {
  const Temporary folder;
  const std::string a = folder / "a", index = a + "/model_index.json";
  save_model(a, small());
  const Json good = read_json(index);
  const auto refused = [&](const std::string& key, const Json& value, const std::string& text) {
    write_json(index, good);
    change(index, key, value);
    CHECK_THROWS_WITH(load_model(a), Catch::Contains("model_index.json: " + key + ":") && Catch::Contains(text));
    CHECK_THROWS_WITH(describe(a), Catch::Contains(text));
    CHECK_THROWS_WITH(convert_model(a, folder / "to"), Catch::Contains(text));
  };
  refused("_class_name", "StableDiffusionPipeline", "got \"StableDiffusionPipeline\"");
  refused("_class_name", {"pipeline", "Mine"}, "got [\"pipeline\",\"Mine\"]");
  refused("_class_name", nullptr, "must be a pipeline of a UNet2DModel");
  refused("unet", {"diffusers", "UNet2DConditionModel"}, "got [\"diffusers\",\"UNet2DConditionModel\"]");
  refused("unet", {nullptr, nullptr}, "got [null,null]");
  refused("scheduler", "DDPMScheduler", "got \"DDPMScheduler\"");
  refused("vqvae", {"diffusers", "VQModel"}, "[\"diffusers\",\"VQModel\"] is no component of a DDIMPipeline");
  for (const char* key : {"unet", "scheduler"}) {
    Json fewer = good;
    fewer.erase(key);
    write_json(index, fewer);
    CHECK_THROWS_WITH(load_model(a), Catch::Contains("the component " + std::string(key) + " is missing"));
  }
  write_json(index, good);
  for (const std::string path :
       {"scheduler/scheduler_config.json", "unet/config.json", "unet/diffusion_pytorch_model.safetensors"}) {
    rename_path(a + "/" + path, folder / "away");
    CHECK_THROWS_WITH(load_model(a), Catch::Contains(path));
    rename_path(folder / "away", a + "/" + path);
  }
  for (const std::string component : {"scheduler", "unet"}) {
    rename_path(a + "/" + component, folder / "away");
    CHECK_THROWS_WITH(load_model(a), Catch::Contains(component + ": the component's folder"));
    rename_path(folder / "away", a + "/" + component);
  }
  CHECK_NOTHROW(load_model(a));
}

TEST_CASE("model index: the class of the scheduler is the index's, as in diffusers", "[index]") {
  const Temporary folder;
  const std::string a = folder / "a";
  save_model(a, small());
  CHECK(load_model(a).scheduler.name() == "ddim");
  change(a + "/model_index.json", "scheduler", {"diffusers", "DDPMScheduler"});
  CHECK(load_model(a).scheduler.name() == "ddpm");
}

TEST_CASE("convert: a folder in another float type keeps every JSON and every other file", "[convert]") {
  const Temporary folder;
  const std::string a = folder / "a", b = folder / "b", c = folder / "c";
  const Model model = small();
  save_model(a, model);
  change(a + "/scheduler/scheduler_config.json", "lambda_min_clipped", -std::numeric_limits<double>::infinity());
  change(a + "/scheduler/scheduler_config.json", "of_tomorrow", {1, 2});
  change(a + "/unet/config.json", "decay", 0.9999);
  change(a + "/eddy.json", "class_names", {"one", "two"});
  write_file(a + "/README.md", "card");
  convert_model(a, b, {.dtype = DType::bf16, .save_variant = "bf16", .max_shard_size = 5000});
  convert_model(b, c, {.variant = "bf16"});
  for (const char* file :
       {"/model_index.json", "/unet/config.json", "/scheduler/scheduler_config.json", "/eddy.json", "/README.md"}) {
    CHECK(read_file(b + file, 100000) == read_file(a + file, 100000));
    CHECK(read_file(c + file, 100000) == read_file(a + file, 100000));
  }
  CHECK_THAT(read_file(b + "/scheduler/scheduler_config.json", 100000), Catch::Contains("\"lambda_min_clipped\": -Infinity"));
  CHECK(exists(b + "/unet/diffusion_pytorch_model.safetensors.index.bf16.json"));
  const SafetensorsFile file(c + "/unet/diffusion_pytorch_model.safetensors");
  save_model(folder / "d", model, {.dtype = DType::bf16});
  CHECK(std::ranges::all_of(file.entries(), [](const SafetensorsEntry& e) { return e.dtype == "BF16"; }));
  CHECK(read_file(c + "/unet/diffusion_pytorch_model.safetensors", 1 << 20) ==
        read_file(folder / "d/unet/diffusion_pytorch_model.safetensors", 1 << 20));
  CHECK_THROWS_WITH(convert_model(a, folder / "e", {.config = "x"}), Catch::Contains("--config is for a file of weights"));
}

TEST_CASE("convert: what is read and a model that lies there are not lost unasked", "[convert]") {
  const Temporary folder;
  const std::string a = folder / "a", b = folder / "b", weights = a + "/unet/diffusion_pytorch_model.safetensors";
  save_model(a, small());
  save_model(b, small());
  write_file(b + "/README.md", "card");
  const std::string before = read_file(weights, 1 << 24);
  std::filesystem::create_directory_symlink(a, folder / "link");
  for (const bool overwrite : {false, true}) {
    const ConvertOptions options{.dtype = DType::f16, .config = {}, .overwrite = overwrite};
    for (const std::string& to : {a, a + "/", a + "/.", folder / "link", folder / "link/"}) {
      CHECK_THROWS_WITH(convert_model(a, to, options), Catch::Contains("is or holds what is converted"));
      CHECK_THROWS_WITH(convert_model(to, a, options), Catch::Contains("is or holds what is converted"));
      CHECK_THROWS_WITH(convert_model(weights, to, options), Catch::Contains("is or holds what is converted"));
    }
  }
  CHECK(read_file(weights, 1 << 24) == before);
  const auto type_in_b = [&] { return SafetensorsFile(b + "/unet/diffusion_pytorch_model.safetensors").entries().front().dtype; };
  CHECK_THROWS_WITH(convert_model(a, b, {.dtype = DType::f16}),
                    Catch::Contains("b: holds a model already") && Catch::Contains("--overwrite"));
  CHECK(type_in_b() == "F32");
  convert_model(a, b, {.dtype = DType::f16, .overwrite = true});
  CHECK(type_in_b() == "F16");
  CHECK(read_file(b + "/README.md", 100) == "card");
  remove_path(b + "/model_index.json");  // what is left of a model is not thrown away either
  CHECK_THROWS_WITH(convert_model(a, b), Catch::Contains("holds a model already"));
  make_directories(folder / "empty");
  CHECK_NOTHROW(convert_model(a, folder / "empty"));
}

TEST_CASE("describe: a model's parts, types, variants, and what was left aside", "[index]") {
  const Temporary folder;
  const std::string a = folder / "a";
  save_model(a, small(), {.dtype = DType::f16, .max_shard_size = 5000});
  change(a + "/unet/config.json", "decay", 0.9999);
  change(a + "/model_index.json", "extra", 1);
  change(a + "/scheduler/scheduler_config.json", "lambda_min_clipped", -std::numeric_limits<double>::infinity());
  write_file(a + "/README.md", "card");
  write_file(a + "/unet/diffusion_pytorch_model.bin", "x");
  write_file(a + "/unet/diffusion_pytorch_model.ema.safetensors", "x");
  const Json json = parse_json(describe(a), "info");
  CHECK(json["pipeline"] == "DDIMPipeline");
  CHECK(json["components"] == Json({{"unet", "UNet2DModel"}, {"scheduler", "DDIMScheduler"}}));
  CHECK(json["weights"]["sharded"] == true);
  CHECK(json["weights"]["files"].size() > 1);
  CHECK(json["weights"]["tensors_of_type"] == Json({{"F16", json["tensors"]}}));
  CHECK(json["weights"]["variants_there"] == Json({"", "ema"}));
  CHECK(json["weights"]["metadata"] == Json({{"format", "pt"}}));
  CHECK(json["scheduler"]["lambda_min_clipped"] == "-Infinity");  // strict JSON for who reads it
  CHECK(json["ignored"] == Json({"unet/config.json: decay", "unet/diffusion_pytorch_model.bin",
                                 "unet/diffusion_pytorch_model.ema.safetensors",
                                 "scheduler/scheduler_config.json: lambda_min_clipped", "model_index.json: extra", "README.md"}));
  CHECK_THROWS_WITH(describe(a, {}, "ema"), Catch::Contains("ema.safetensors"));
}
