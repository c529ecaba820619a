#include <filesystem>

#include "base/files.hpp"
#include "eddy/eddy.hpp"
#include "pipeline/unet_config.hpp"
#include "support/catch.hpp"
#include "support/temporary.hpp"

using namespace eddy;
using eddy::test::Temporary;

namespace {

Model tiny() {
  UNetConfig c;
  c.sample_height = c.sample_width = 8;
  c.in_channels = c.out_channels = 3;
  c.down_block_types = {DownBlock::down, DownBlock::attn_down};
  c.up_block_types = {UpBlock::attn_up, UpBlock::up};
  c.block_out_channels = {8, 16};
  c.norm_num_groups = 4;
  return {UNet(c, {.seed = 3}), {}, {}, -1};
}

}  // namespace

TEST_CASE("model folder: written and read again, f32 to the bit, f16 to its precision") {
  const Temporary folder;
  const Model model = tiny();
  save_model(folder / "a", model);
  const Model again = load_model(folder / "a");
  CHECK(again.unet.config() == model.unet.config());
  Json scheduler = Json::parse(again.scheduler.json());
  CHECK(scheduler.erase("_diffusers_version") == 1);
  CHECK(scheduler == Json::parse(model.scheduler.json()));
  save_model(folder / "half", model, {.dtype = DType::f16});
  const UNet half = load_unet(folder / "half/unet");
  for (std::size_t i = 0; i < model.unet.parameters().size(); ++i) {
    const auto x = model.unet.parameters()[i].value().values();
    CHECK(std::ranges::equal(x, again.unet.parameters()[i].value().values()));
    const auto y = half.parameters()[i].value().values();
    for (std::size_t k = 0; k < x.size(); ++k) REQUIRE(std::abs(x[k] - y[k]) <= std::abs(x[k]) * 0x1p-11f + 0x1p-25f);
  }
  CHECK(std::filesystem::file_size(folder / "half/unet/diffusion_pytorch_model.safetensors") <
        std::filesystem::file_size(folder / "a/unet/diffusion_pytorch_model.safetensors"));
}

TEST_CASE("model folder: a card and the like stay when the model is replaced, other folders are refused") {
  const Temporary folder;
  const std::string path = folder / "a", card = path + "/README.md";
  make_directories(path + "/.git");
  write_file(path + "/.git/config", "mine");
  write_file(card, "card");
  save_model(path, tiny());
  write_file(path + "/picture.png", "x");
  save_model(path, tiny(), {.dtype = DType::f16});
  CHECK(read_file(card, 100) == "card");
  CHECK(read_file(path + "/.git/config", 100) == "mine");
  CHECK(read_file(path + "/picture.png", 100) == "x");
  CHECK(list_directory(folder / "").size() == 1);
  write_file(path + "/model_index.json", R"({"_class_name":"StableDiffusionPipeline"})");
  CHECK_THROWS_WITH(save_model(path, tiny()), Catch::Contains("picture.png"));
  make_directories(folder / "b");
  write_file(folder / "b/mine.txt", "x");
  CHECK_THROWS_WITH(save_model(folder / "b", tiny()), Catch::Contains("mine.txt"));
  CHECK_THROWS_WITH(save_model(folder / "b/mine.txt", tiny()), Catch::Contains("is a file"));
  CHECK(read_file(folder / "b/mine.txt", 100) == "x");
}

TEST_CASE("model folder: what is broken is named") {
  const Temporary folder;
  CHECK_THROWS_WITH(load_model(folder / "none"), Catch::Contains("none"));
  save_model(folder / "a", tiny());
  const std::string config = folder / "a/unet/config.json", text = read_file(config, 1 << 20);
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string changed = text;
    changed.replace(changed.find(from), from.size(), to);
    write_file(config, changed);
  };
  with("\"layers_per_block\": 2", "\"layers_per_block\": 3");
  CHECK_THROWS_WITH(load_model(folder / "a"), Catch::Contains("down_blocks"));
  with("\"in_channels\": 3", "\"in_channels\": 4");
  CHECK_THROWS_WITH(load_model(folder / "a"), Catch::Contains("conv_in.weight"));
  with("UNet2DModel", "Transformer2DModel");
  CHECK_THROWS_WITH(load_model(folder / "a"), Catch::Contains("UNet2DModel"));
  write_file(config, text);
  CHECK_NOTHROW(load_model(folder / "a"));
}

TEST_CASE("model folder: a small file that claims a large model is refused before memory is taken") {
  const Temporary folder;
  save_model(folder / "a", tiny());
  const std::string config = folder / "a/unet/config.json";
  const Context context({.threads = 1, .memory_limit = std::size_t{64} << 20});
  write_file(config, R"({"block_out_channels":[224,448,672,896]})");
  CHECK_THROWS_WITH(load_model(folder / "a", context), Catch::Contains("conv_in.weight"));
  write_file(folder / "a/unet/diffusion_pytorch_model.safetensors", "x");
  CHECK_THROWS_WITH(load_model(folder / "a", context), Catch::Contains("safetensors"));
}

TEST_CASE("model folder: extents that no model has are refused by name") {
  const auto read = [](const std::string& text) { return unet_config_from_json(parse_json(text, "c.json"), "c.json"); };
  CHECK_THROWS_WITH(read(R"({"block_out_channels":[4611686018427387904]})"), Catch::Contains("c.json: block_out_channels"));
  CHECK_THROWS_WITH(read(R"({"block_out_channels":[18446744073709551615]})"), Catch::Contains("block_out_channels"));
  CHECK_THROWS_WITH(read(R"({"sample_size":[8,4611686018427387904]})"), Catch::Contains("sample_size"));
  CHECK_THROWS_WITH(read(R"({"layers_per_block":1000})"), Catch::Contains("layers_per_block"));
  CHECK_THROWS_WITH(UNet(UNetConfig{.block_out_channels = {std::int64_t{1} << 61, 1, 1, 1}}), Catch::Contains("2^20"));
  const UNetConfig deep{.down_block_types = std::vector(17, DownBlock::down),
                        .up_block_types = std::vector(17, UpBlock::up),
                        .block_out_channels = std::vector<std::int64_t>(17, 8)};
  CHECK_THROWS_WITH(UNet(deep), Catch::Contains("16 levels"));
}

TEST_CASE("model folder: a frequency shift is written as it is") {
  UNetConfig c;
  for (const double shift : {0.0, 1.0, 0.5, -2.25}) {
    c.freq_shift = shift;
    const Json json = unet_config_to_json(c);
    CHECK(unet_config_from_json(json, "c.json").freq_shift == shift);
    CHECK(json["freq_shift"].is_number_integer() == (shift == 0 || shift == 1));
  }
}
