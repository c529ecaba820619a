#include "base/files.hpp"
#include "eddy/eddy.hpp"
#include "pipeline/unet_config.hpp"
#include "support/catch.hpp"
#include "support/golden.hpp"
#include "support/temporary.hpp"

using namespace eddy;
using eddy::test::Golden;
using eddy::test::Temporary;

namespace {

Json without_private(const Json& json) {
  Json result = Json::object();
  for (const auto& [key, value] : json.items()) {
    if (!key.starts_with('_')) result[key] = value;
  }
  return result;
}

UNetConfig read(const std::string& text) { return unet_config_from_json(parse_json(text, "c.json"), "c.json"); }

}  // namespace

TEST_CASE("unet config: what diffusers wrote is written as it was, to the type of each number", "[pipeline]") {
  const std::string name = GENERATE("ddpm", "classes", "resnet", "middle", "nomiddle", "ncsnpp", "skips", "learned", "guided",
                                    "k", "knarrow");
  CAPTURE(name);
  const Json json = without_private(parse_json(Golden("unet_" + name).file().metadata().at("config"), "golden"));
  CHECK(unet_config_to_json(unet_config_from_json(json, "golden")).dump(2) == json.dump(2));
}

TEST_CASE("unet config: other words of the same meaning stay as a file has them, until the field is changed", "[pipeline]") {
  const char* const texts[] = {
      R"({"act_fn":"swish"})",       R"({"act_fn":"SiLU"})",          R"({"sample_size":[8,8]})",
      R"({"freq_shift":1.0})",       R"({"dropout":0})",              R"({"mid_block_scale_factor":1.0})",
      R"({"downsample_type":null})", R"({"time_embedding_dim":0})",   R"({"time_embedding_dim":null})",
      R"({"norm_eps":0.001})",       R"({"num_train_timesteps":1000})"};
  for (const char* text : texts) {
    const Json json = parse_json(text, "c.json"), written = unet_config_to_json(read(text));
    const std::string key = json.begin().key();
    CAPTURE(text, written[key].dump());
    CHECK(written[key].dump() == json[key].dump());
    CHECK(unet_config_to_json(unet_config_from_json(written, "c.json")) == written);
  }
  const Json blocks = unet_config_to_json(read(R"({"down_block_types":["UNetResDownBlock2D"]})"));
  CHECK(blocks["down_block_types"].dump() == R"(["UNetResDownBlock2D"])");
  CHECK(read(R"({"down_block_types":["UNetResDownBlock2D"]})").down_block_types == std::vector{DownBlock::down});
  UNetConfig changed = read(R"({"act_fn":"swish","sample_size":[8,8]})");
  changed.act_fn = Activation::gelu;
  CHECK(unet_config_to_json(changed)["act_fn"] == "gelu");
  CHECK(unet_config_to_json(changed)["sample_size"].dump() == "[8,8]");
}

TEST_CASE("unet config: what cannot be built is named with its file, key and value, and what is known", "[pipeline]") {
  const auto refused = [](const std::string& text, const char* key, const char* known, const char* value) {
    const std::string start = std::string("c.json: ") + key;
    CHECK_THROWS_WITH(read(text), Catch::Contains(start) && Catch::Contains(known) && Catch::Contains(value));
  };
  for (const char* block : {"CrossAttnDownBlock2D", "SimpleCrossAttnDownBlock2D", "DownEncoderBlock2D",
                            "KCrossAttnDownBlock2D"}) {
    refused(std::string(R"({"down_block_types":[")") + block + R"("]})", "down_block_types", "AttnSkipDownBlock2D", block);
  }
  for (const char* block : {"CrossAttnUpBlock2D", "SimpleCrossAttnUpBlock2D", "UpDecoderBlock2D", "KCrossAttnUpBlock2D"}) {
    refused(std::string(R"({"up_block_types":[")") + block + R"("]})", "up_block_types", "AttnSkipUpBlock2D", block);
  }
  refused(R"({"time_embedding_type":"sinus"})", "time_embedding_type", "positional, fourier, learned", "sinus");
  refused(R"({"act_fn":"tanh"})", "act_fn", "silu, swish, mish, gelu, relu", "tanh");
  refused(R"({"mid_block_type":"UNetMidBlock2DCrossAttn"})", "mid_block_type", "UNetMidBlock2D or null", "CrossAttn");
  refused(R"({"resnet_time_scale_shift":"spatial"})", "resnet_time_scale_shift", "default, scale_shift", "spatial");
  refused(R"({"class_embed_type":"projection"})", "class_embed_type", "timestep, identity", "projection");
  refused(R"({"num_train_timesteps":0})", "num_train_timesteps", "from 1", "0");
}

TEST_CASE("unet config: a folder's unknown fields are warned of, and its impossible ones told with the file", "[pipeline]") {
  const Temporary folder;
  const UNetConfig config{.down_block_types = {DownBlock::down}, .up_block_types = {UpBlock::up}, .block_out_channels = {8},
                          .norm_num_groups = 4};
  save_model(folder / "a", {UNet(config), {}, {}, -1});
  const std::string path = folder / "a/unet/config.json";
  Json json = read_json(path);
  std::vector<std::string> messages;
  const Context context(ContextOptions{.threads = 1, .log = [&](LogLevel level, std::string_view message) {
    if (level == LogLevel::warning) messages.emplace_back(message);
  }});
  load_unet(folder / "a", context);
  CHECK(messages.empty());
  json["encoder_hid_dim"] = 3;
  json["_name_or_path"] = "x";
  write_json(path, json);
  load_unet(folder / "a", context);
  REQUIRE(messages.size() == 1);
  CHECK_THAT(messages[0], Catch::Contains(path) && Catch::Contains("encoder_hid_dim"));
  json["norm_num_groups"] = 3;
  write_json(path, json);
  CHECK_THROWS_WITH(load_unet(folder / "a", context),
                    Catch::Contains(path) && Catch::Contains("3 groups do not divide 8 channels"));
}
