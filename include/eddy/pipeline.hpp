// Folders: models and runs as files, in the layout of diffusers. The one place that joins model, schedule and sampler.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "eddy/cancel.hpp"
#include "eddy/data.hpp"
#include "eddy/model.hpp"
#include "eddy/scheduler.hpp"
#include "eddy/train.hpp"

namespace eddy::inline v0_1 {

// A model with all that is needed to sample from it.
struct Model {
  UNet unet;
  SchedulerConfig scheduler{};
  std::vector<std::string> class_names{};
  std::int64_t no_label = -1;  // row of the class embedding that means "no label"; -1: there is none
  std::int64_t steps = -1;     // of the training that made it; -1: unknown
  // JSON text: what its folder's files told beside all this (the class of pipeline, keys of other versions of diffusers), which
  // save_model writes again; "": nothing.
  std::string kept{};
};

// path: a folder of a diffusers pipeline that denoises with a UNet2DModel and a scheduler (model_index.json), or a run of
// `train_run`: its model/, or its newest checkpoint's average where that is of another step. variant: of the weights, as "fp16"
// for unet/diffusion_pytorch_model.fp16.safetensors. Weights are F64, F32, F16 or BF16, in one file or in shards, and become
// f32 in blocks: no more memory is taken than the model's. Throw Error naming the file and what is wrong with it; a pickle is
// never read, and the Error says how to convert it.
EDDY_API Model load_model(const std::string& path, const Context& context = {}, const std::string& variant = {});
// The U-Net alone: a pipeline folder, its unet/, or a run.
EDDY_API UNet load_unet(const std::string& path, const Context& context = {}, const std::string& variant = {});

struct SaveOptions {
  DType dtype = DType::f32;                        // f32, f16 or bf16
  std::string variant{};                           // of the weights' file name
  std::uint64_t max_shard_size = 10'000'000'000;  // bytes; weights beyond it are written in several files, as by diffusers
};

// As diffusers writes it. A model that is there already is replaced when the new one is complete; what lies beside its files
// (README.md) stays. A folder of other files is an Error.
EDDY_API void save_model(const std::string& path, const Model& model, const SaveOptions& options = {});

// How weights with the names of other programs are read; see convert_model.
struct ConvertOptions {
  std::optional<DType> dtype{};                    // none: each tensor stays as it is, but F64 becomes F32
  std::string variant{};                           // of the weights that are read
  std::string save_variant{};                      // of the weights that are written
  std::uint64_t max_shard_size = 10'000'000'000;
  std::string config{};                            // path of a UNet2DModel's config.json, or of some of its keys, which win
  std::string scheduler{};                         // path of a scheduler_config.json, in place of the one that would be written
  bool new_attention_order = false;                // guided-diffusion's use_new_attention_order
  bool overwrite = false;                          // a model that is at `to` is replaced
  std::function<void(const std::string&)> on_note{};  // one line: what was deduced or left out
};

// Rewrites a model folder, tensor by tensor: no model's memory is taken. from: a pipeline folder; a run, of which the average so
// far is written; or a .safetensors file with the
// names of diffusers' UNet2DModel, of DDPM (the PyTorch port by Esser, also Song's DDIM), of improved-diffusion, guided-diffusion
// and consistency models, or of EDM's DhariwalUNet. What the shapes do not tell must be in `config`; see docs/files.md. Throws
// Error naming what no UNet2DModel has, and where `to` is or holds `from`.
EDDY_API void convert_model(const std::string& from, const std::string& to, const ConvertOptions& options = {});

// ---- sampling ----------------------------------------------------------------------------------------------------

struct SampleOptions {
  std::int64_t num = 16;
  std::int64_t batch_size = 16;           // changes no byte
  std::string sampler{};                  // short name, see sampler_names(); empty: the model's scheduler
  std::string scheduler{};                // JSON object: fields over those of the model's scheduler
  int steps = 0;                          // 0: as many as diffusers' pipeline takes; counts for nothing with dpm_adaptive
  std::optional<double> eta{};            // none: the scheduler's default
  std::string sigmas{};                   // where the sigmas are, see sigma_names(); empty: the scheduler's
  std::string spacing{};                  // timestep_spacing: linspace, leading or trailing; empty: the scheduler's
  std::vector<std::int64_t> classes{};    // sample i is of class classes[i mod size]; empty: every class in turn
  bool no_class = false;                  // every sample without a label
  double guidance = 1;                    // u + X (c - u); 1 is off
  std::uint64_t seed = 0;
  std::optional<TorchVariant> torch_noise{};  // the noise of torch.randn for the whole num, instead of the keyed one
  Tensor picture{}, mask{};               // RePaint, which needs both; an inversion, whose every sample begins with the picture
  std::int64_t height = 0, width = 0;     // 0: the model's
  bool trajectory = false;                // keep noisy and predicted pictures of sample 0
  std::function<void(std::int64_t done, std::int64_t of)> on_progress{};  // steps of batches
  CancelToken cancel{};
};

struct Samples {
  Tensor x;           // (num, H, W, C) in the model's range, not clamped
  Tensor trajectory;  // (2 m, H, W, C): m noisy pictures, then the m predictions of x0
  std::string sampler;
  int steps;  // with which SampleOptions::steps these come again; 0: only with 0, the sampler counts otherwise or not at all
};

// Sample i is the same in any batch, and with keyed noise for any num.
EDDY_API Samples sample(const Model& model, const SampleOptions& options = {});

// ---- runs --------------------------------------------------------------------------------------------------------

enum class Resume { automatic, no, checkpoint };

struct RunOptions {
  std::string out;                  // the run's folder
  std::string config{};             // JSON text: what differs from the defaults, in the form of RUN/config.json
  std::string config_file{};        // the same in a file; `config` wins over it
  double minutes = 0;               // above 0: train for about so long instead of train.steps
  Resume resume = Resume::automatic;
  std::string checkpoint{};         // with Resume::checkpoint: its folder
  bool overwrite = false;           // with Resume::no: an existing run is thrown away
  std::function<void(const TrainReport&, std::int64_t steps, double images_per_second)> on_step{};
  std::function<void(const std::string&)> on_note{};     // one line: what happened
  std::function<void(const std::string&)> on_warning{};
  CancelToken cancel{};             // saves a checkpoint, then Cancelled is thrown
  Context context{};
};

struct RunResult {
  bool was_finished = false;  // nothing was left to do
  std::int64_t steps = 0;
  std::string model;          // folder of the finished model
  std::string grid;           // the last grid of samples
};

// Trains into a folder, or goes on where it stopped; see docs/training.md for its files. Throws Error for a folder that
// belongs to a run of other numbers, naming the old and the new value.
EDDY_API RunResult train_run(const RunOptions& options);

// ---- looking -----------------------------------------------------------------------------------------------------

// What a model, run, weights file or data set is, as JSON text; the options are those of open_data, the variant that of
// load_model. A model's weights are looked at, not loaded.
EDDY_API std::string describe(const std::string& path, const DataOptions& options = {}, const std::string& variant = {});

}  // namespace eddy::inline v0_1
