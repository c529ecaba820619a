#include "pipeline/weight_files.hpp"

#include <algorithm>

#include "base/files.hpp"
#include "eddy/eddy.hpp"
#include "io/json.hpp"
#include "support/allocations.hpp"
#include "support/catch.hpp"
#include "support/temporary.hpp"

using namespace eddy;
using eddy::test::Temporary;

namespace {

Model small(std::uint64_t seed = 3, const Context& context = {}) {
  UNetConfig c;
  c.down_block_types = {DownBlock::down, DownBlock::attn_down};
  c.up_block_types = {UpBlock::attn_up, UpBlock::up};
  c.block_out_channels = {8, 16};
  c.norm_num_groups = 4;
  return {UNet(c, {.seed = seed, .context = context}), {}, {}, -1};
}

bool equal(const UNet& a, const UNet& b) {
  for (std::size_t i = 0; i < a.parameters().size(); ++i) {
    if (!std::ranges::equal(a.parameters()[i].value().values(), b.parameters()[i].value().values())) return false;
  }
  return true;
}


}  // namespace

TEST_CASE("weights: shards with an index, as diffusers names them", "[weights]") {
  const Temporary folder;
  const Model model = small();
  save_model(folder / "a", model, {.max_shard_size = 40000});
  const std::string unet = folder / "a/unet", index = unet + "/diffusion_pytorch_model.safetensors.index.json";
  const Json json = read_json(index);
  std::uint64_t bytes = 0, total = 0;
  std::size_t shards = 0;
  for (const std::string& name : list_directory(unet)) {
    if (!name.ends_with(".safetensors")) continue;
    ++shards;
    const SafetensorsFile file(unet + "/" + name);
    CHECK(file.metadata().at("format") == "pt");
    for (const SafetensorsEntry& entry : file.entries()) {
      CHECK(json["weight_map"][entry.name] == name);
      total += entry.end - entry.begin;
    }
    bytes = file.entries().back().end - file.entries().front().begin;
    CHECK((bytes <= 40000 || file.entries().size() == 1));
  }
  CHECK(shards > 2);
  CHECK(exists(unet + "/diffusion_pytorch_model-00001-of-0000" + std::to_string(shards) + ".safetensors"));
  CHECK(json["metadata"]["total_size"] == total);
  CHECK(total == static_cast<std::uint64_t>(model.unet.tree().elements()) * 4);
  CHECK(equal(load_model(folder / "a").unet, model.unet));
  save_model(folder / "a", model);  // one file again; the shards are gone
  CHECK(list_directory(unet) == std::vector<std::string>{"config.json", "diffusion_pytorch_model.safetensors"});
}

TEST_CASE("weights: a broken index is an error that names it", "[weights]") {
  const Temporary folder;
  const std::string path = folder / "a", unet = path + "/unet", index = unet + "/diffusion_pytorch_model.safetensors.index.json";
  save_model(path, small(), {.max_shard_size = 40000});
  const std::string good = read_file(index, 1 << 20);
  const Json json = parse_json(good, "index");
  const std::string first = json["weight_map"]["conv_in.weight"], last = json["weight_map"]["up_blocks.1.resnets.2.conv2.weight"];
  const auto with = [&](const std::string& tensor, const Json& shard) {
    Json changed = json;
    changed["weight_map"][tensor] = shard;
    write_json(index, changed);
  };
  for (const char* bad : {"../x.safetensors", "/etc/x.safetensors", "a/b.safetensors", "..", "", "a\\b.safetensors", "x.bin",
                          ".x.safetensors"}) {
    with("conv_in.weight", bad);
    CHECK_THROWS_WITH(load_model(path), Catch::Contains("weight_map: conv_in.weight") && Catch::Contains("same folder"));
  }
  with("conv_in.weight", 3);
  CHECK_THROWS_WITH(load_model(path), Catch::Contains("got 3"));
  with("conv_in.weight", last);
  CHECK_THROWS_WITH(load_model(path), Catch::Contains("conv_in.weight: the shard") && Catch::Contains("has no such tensor"));
  with("conv_in.weight", "gone.safetensors");
  CHECK_THROWS_WITH(load_model(path), Catch::Contains("gone.safetensors is missing"));
  with("more.weight", first);
  CHECK_THROWS_WITH(load_model(path), Catch::Contains("more.weight"));
  Json fewer = json;
  fewer["weight_map"].erase("conv_in.bias");
  write_json(index, fewer);
  CHECK_THROWS_WITH(load_model(path), Catch::Contains("conv_in.bias is not this shard's"));
  for (const char* text : {"{}", "[]", R"({"weight_map":[]})", R"({"weight_map":{}})", "{"}) {
    write_file(index, text);
    CHECK_THROWS_WITH(load_model(path), Catch::Contains("index.json"));
  }
  write_file(index, good);
  CHECK_NOTHROW(load_model(path));
  remove_path(unet + "/" + last);
  CHECK_THROWS_WITH(load_model(path), Catch::Contains(last + " is missing"));
}

TEST_CASE("weights: variants are other weights of the same model", "[weights]") {
  const Temporary folder;
  const std::string path = folder / "a", unet = path + "/unet";
  const Model model = small(), other = small(4);
  save_model(path, model);
  save_model(folder / "b", other, {.dtype = DType::f16, .variant = "fp16"});
  CHECK(exists(folder / "b/unet/diffusion_pytorch_model.fp16.safetensors"));
  CHECK_THROWS_WITH(load_model(folder / "b"), Catch::Contains("variants: fp16; give one (--variant fp16)"));
  copy_path(folder / "b/unet/diffusion_pytorch_model.fp16.safetensors", unet + "/diffusion_pytorch_model.fp16.safetensors");
  CHECK(equal(load_model(path).unet, model.unet));
  CHECK(equal(load_model(path, {}, "fp16").unet, load_unet(folder / "b", {}, "fp16")));
  CHECK_THROWS_WITH(load_model(path, {}, "ema"),
                    Catch::Contains("of the variant 'ema'") && Catch::Contains("one without a name, fp16"));
  save_model(folder / "c", other, {.variant = "fp16", .max_shard_size = 40000});
  const Json map = read_json(folder / "c/unet/diffusion_pytorch_model.safetensors.index.fp16.json")["weight_map"];
  CHECK_THAT(map["conv_in.weight"].get<std::string>(), Catch::StartsWith("diffusion_pytorch_model.fp16-00001-of-0000"));
  CHECK(equal(load_unet(folder / "c/unet", {}, "fp16"), other.unet));
  rename_path(folder / "c/unet/diffusion_pytorch_model.safetensors.index.fp16.json",  // as diffusers once named it
              folder / "c/unet/diffusion_pytorch_model.safetensors.fp16.index.json");
  CHECK(equal(load_unet(folder / "c/unet", {}, "fp16"), other.unet));
  CHECK_THROWS_WITH(load_unet(folder / "c/unet"), Catch::Contains("variants: fp16;"));
  for (const char* bad : {"../x", "a/b", "..", "x y", "1-of-2"}) {
    CHECK_THROWS_WITH(load_model(path, {}, bad), Catch::Contains("a variant is a name"));
    CHECK_THROWS_WITH(save_model(folder / "d", model, {.variant = bad}), Catch::Contains("a variant is a name"));
  }
  CHECK_FALSE(exists(folder / "d"));
}

TEST_CASE("weights: floating types become f32, others are refused by name", "[weights]") {
  const Temporary folder;
  const Model model = small();
  save_model(folder / "a", model);
  const std::string file = folder / "a/unet/diffusion_pytorch_model.safetensors";
  std::vector<TensorToWrite> doubles;
  for (const Parameter& p : model.unet.parameters()) {
    const std::span<const float> x = p.value().values();
    doubles.push_back({p.name(), "F64", {p.shape().extents().begin(), p.shape().extents().end()}, [x](const ByteSink& sink) {
                         const std::vector<double> wide(x.begin(), x.end());
                         sink(wide.data(), wide.size() * 8);
                       }});
  }
  write_safetensors(file, doubles);
  CHECK(equal(load_model(folder / "a").unet, model.unet));
  doubles.back().dtype = "I64";
  write_safetensors(file, doubles);
  CHECK_THROWS_WITH(load_model(folder / "a"), Catch::Contains(doubles.back().name + "' holds I64; a floating type is needed"));
}

TEST_CASE("weights: pickles are refused with the line that converts them", "[weights]") {
  const Temporary folder;
  const std::string path = folder / "a", unet = path + "/unet";
  save_model(path, small());
  for (const char* name : {"diffusion_pytorch_model.bin", "diffusion_pytorch_model.ckpt"}) {
    rename_path(unet + "/diffusion_pytorch_model.safetensors", unet + "/" + name);
    CHECK_THROWS_WITH(load_model(path), Catch::Contains(name) && Catch::Contains("a pickle can run any program") &&
                                            Catch::Contains("python -c") &&
                                            Catch::Contains("diffusion_pytorch_model.safetensors"));
    rename_path(unet + "/" + name, unet + "/diffusion_pytorch_model.safetensors");
  }
  write_file(folder / "x.pt", "x");
  CHECK_THROWS_WITH(load_model(folder / "x.pt"), Catch::Contains("torch.load"));
  CHECK_THROWS_WITH(describe(folder / "x.pt"), Catch::Contains("torch.load"));
  CHECK_THROWS_WITH(load_model(unet + "/diffusion_pytorch_model.safetensors"), Catch::Contains("eddy convert"));
}

TEST_CASE("weights: loading takes no more than the model and one tensor", "[weights]") {
  const Temporary folder;
  const UNetConfig c{.down_block_types = {DownBlock::down, DownBlock::down},
                     .up_block_types = {UpBlock::up, UpBlock::up},
                     .block_out_channels = {64, 128}};
  const Model model{UNet(c, {.seed = 1})};
  std::size_t largest = 0;
  for (const Parameter& p : model.unet.parameters()) {
    largest = std::max(largest, static_cast<std::size_t>(p.shape().elements()) * 4);
  }
  const std::size_t size = static_cast<std::size_t>(model.unet.tree().elements()) * 4;
  for (const DType dtype : {DType::f32, DType::bf16}) {
    const std::string path = folder / name(dtype);
    save_model(path, model, {.dtype = dtype, .max_shard_size = 2'000'000});
    const Context context({.threads = 1});
    const std::int64_t before = test::allocated_bytes();
    const Model loaded = load_model(path, context);
    CHECK(context.memory().peak >= size);
    CHECK(context.memory().peak <= size + largest);
    // Outside the pool nothing of a tensor's size stays.
    if (!test::counts_allocations()) continue;
    CHECK(test::allocated_bytes() - before < static_cast<std::int64_t>(size + largest + (1 << 20)));
  }
}
