// eddy convert.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>

#include "cli/command.hpp"
#include "eddy/error.hpp"
#include "eddy/pipeline.hpp"

namespace eddy::cli {

namespace {

const std::map<std::string, DType> kTypes{{"f32", DType::f32}, {"f16", DType::f16}, {"bf16", DType::bf16}};
const std::map<std::string, double> kUnits{{"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}};

// 500MB, 1.5GB: units of diffusers' max_shard_size.
std::uint64_t shard_size(const std::string& text) {
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  const auto unit = kUnits.find(end);
  const double bytes = unit == kUnits.end() ? 0 : number * unit->second;
  if (!(bytes >= 1) || bytes > 9e18) throw Error("--max-shard-size must be as 500MB (units KB, MB, GB, TB), got " + text);
  return static_cast<std::uint64_t>(bytes);
}

}  // namespace

void add_convert(CLI::App& app, Action& action) {
  CLI::App* command =
      app.add_subcommand("convert", "Write a model folder of another, of a run, or of weights with another program's names");
  command->footer(
      "FROM is a model folder of diffusers (a UNet2DModel and a scheduler), a run (its average so far), or a .safetensors file\n"
      "with the names of\n"
      "  diffusers' UNet2DModel           with --config\n"
      "  DDPM's PyTorch port              temb.dense.0, down.0.block.0, mid.attn_1, up.0 (also Song's DDIM)\n"
      "  OpenAI's improved-diffusion, guided-diffusion, consistency models\n"
      "                                   time_embed.0, input_blocks, middle_block, output_blocks; a head's channels\n"
      "                                   in --config, as {\"attention_head_dim\": 64}\n"
      "  EDM's DhariwalUNet               map_layer0, enc.64x64_block0, dec, out_conv\n"
      "Others are refused (EDM's SongUNet is no UNet2DModel), and so are pickles (.bin, .ckpt, .pt, .pth, .pkl): the message\n"
      "says how to convert them. docs/files.md tells what is deduced of a file.\n"
      "Examples:\n"
      "  eddy convert runs/fashion models/fashion --dtype f16\n"
      "  eddy convert ddpm-cifar10-32 small --dtype f16 --max-shard-size 50MB\n"
      "  eddy convert 64x64_diffusion.safetensors adm --config heads.json --scheduler scheduler_config.json");
  struct Flags {
    std::string from, to, dtype, shard = "10GB";
    ConvertOptions options;
  };
  auto f = std::make_shared<Flags>();
  ConvertOptions& o = f->options;
  command->add_option("from", f->from, "a model folder, a run, or a .safetensors file")->required();
  command->add_option("to", f->to, "the new folder")->required();
  command->add_option("--dtype", f->dtype, "how weights are stored: f32, f16 or bf16 [as they are; f64 becomes f32]")
      ->check(CLI::IsMember(kTypes));
  command->add_option("--variant", o.variant, "read the weights of this variant, as fp16");
  command->add_option("--save-variant", o.save_variant, "write the weights as this variant");
  command->add_option("--max-shard-size", f->shard, "larger weights are written in several files")->capture_default_str();
  command->add_option("--config", o.config,
                      "of a file: a UNet2DModel's config.json, or some of its keys; wins over what is deduced");
  command->add_option("--scheduler", o.scheduler, "a scheduler_config.json in place of the one that would be written");
  command->add_flag("--new-attention-order", o.new_attention_order, "of a file: guided-diffusion's use_new_attention_order");
  command->add_flag("--overwrite", o.overwrite, "replace a model that is at TO already");
  command->callback([f, &action] {
    action = [f](const CancelToken&) {
      ConvertOptions& options = f->options;
      options.max_shard_size = shard_size(f->shard);
      if (!f->dtype.empty()) options.dtype = kTypes.at(f->dtype);
      options.on_note = [](const std::string& text) { std::fprintf(stderr, "eddy: %s\n", text.c_str()); };
      convert_model(f->from, f->to, options);
      std::printf("%s\n", f->to.c_str());
    };
  });
}

}  // namespace eddy::cli
