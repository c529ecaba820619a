// Sampling from a model folder: batches, labels, guidance, the folder's scheduler.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "eddy/error.hpp"
#include "eddy/ops.hpp"
#include "eddy/pipeline.hpp"
#include "pipeline/scheduler/config.hpp"

namespace eddy::inline v0_1 {

namespace {

// Labels of the samples [first, first + n), and of the same samples without a label.
struct Conditions {
  Condition labelled, unlabelled;
};

// "there is no class 4; the model has 3, from 0 to 2: 0 cat, 1 dog, 2 hen"
std::string no_such_class(const Model& model, std::int64_t label, const std::vector<std::int64_t>& classes) {
  std::string text = "sample: there is no class " + std::to_string(label) + "; the model has " + std::to_string(classes.size()) +
                     ", from " + std::to_string(classes.front()) + " to " + std::to_string(classes.back());
  constexpr std::size_t kMost = 20;
  for (std::size_t i = 0; i < std::min(kMost, model.class_names.size()); ++i) {
    text += (i == 0 ? ": " : ", ") + std::to_string(i) + " " + model.class_names[i];
  }
  return text + (model.class_names.size() > kMost ? ", ..." : "");
}

// The labels that samples take in turn, none for a model without classes. What cannot be had is refused before the first batch.
std::vector<std::int64_t> labels_of(const Model& model, const SampleOptions& o) {
  const std::int64_t rows = model.unet.config().num_class_embeds.value_or(0);
  if (rows == 0) {
    if (!o.classes.empty() || o.no_class || o.guidance != 1) {
      throw Error("sample: the model has no classes, which class and guidance need; data with classes makes a model with them "
                  "(pictures: sub-folders, with --class-folders), and --label-dropout above 0 makes guidance possible");
    }
    return {};
  }
  if (o.no_class && o.guidance != 1) {
    throw Error("sample: guidance leads from \"no label\" towards a class; without a label there is none, so it must be 1");
  }
  if ((o.no_class || o.guidance != 1) && model.no_label < 0) {
    throw Error("sample: the model has no row that means \"no label\"; train with --label-dropout above 0");
  }
  std::vector<std::int64_t> classes(static_cast<std::size_t>(rows));  // every row but the one for no label
  std::iota(classes.begin(), classes.end(), 0);
  std::erase(classes, model.no_label);
  if (o.no_class) return {model.no_label};
  if (classes.empty()) throw Error("sample: the only row of the model means \"no label\"");
  for (const std::int64_t label : o.classes) {
    if (!std::ranges::binary_search(classes, label)) throw Error(no_such_class(model, label, classes));
  }
  return o.classes.empty() ? classes : o.classes;
}

Conditions conditions_of(const std::vector<std::int64_t>& in_turn, std::int64_t no_label, std::int64_t first, std::int64_t n,
                         const Context& context) {
  if (in_turn.empty()) return {};
  std::vector<std::int64_t> labels;
  for (std::int64_t i = first; i < first + n; ++i) labels.push_back(in_turn[static_cast<std::size_t>(i) % in_turn.size()]);
  const auto condition = [&](const std::vector<std::int64_t>& values) {
    return Condition{{"class_labels", Tensor::from(std::span<const std::int64_t>(values), {n}, context)}};
  };
  return {condition(labels), condition(std::vector<std::int64_t>(labels.size(), no_label))};
}

Denoiser denoiser_for(const Model& model, const Sampling& sampling, double guidance, const Conditions& c) {
  Denoiser labelled = sampling.denoiser(model.unet, c.labelled);
  if (guidance == 1) return labelled;
  return classifier_free_guidance(std::move(labelled), sampling.denoiser(model.unet, c.unlabelled), guidance);
}

SchedulerConfig with_sampler(const SchedulerConfig& config, const std::string& name) try {
  return config.with_sampler(name);
} catch (const Error& e) {  // which names the file, where another sampler's value is right
  throw Error("sample: sampler " + name + " (--sampler) does not go with the model's scheduler: " + e.what());
}

SchedulerConfig scheduler_for(const Model& model, const SampleOptions& o) {
  SchedulerConfig config = model.scheduler;
  if (!o.sampler.empty()) config = with_sampler(config, o.sampler);
  if (!o.scheduler.empty()) config = config.with(o.scheduler);
  if (o.spacing.empty()) return config;
  if (!config.state().resolved.contains("timestep_spacing")) {
    throw Error("sample: " + config.name() + " has no timesteps to space; leave spacing out");
  }
  return config.with(Json{{"timestep_spacing", o.spacing}}.dump());
}

// Whether the shift of a flow hangs on the picture's size.
bool shifted_by_size(const SchedulerConfig& config) {
  const Json& f = config.state().resolved;
  const bool flow = f.value("use_flow_sigmas", Json(true)) == true;  // a flow's own schedulers have no such field
  return config.state().row->takes.needs_mu && flow && f.value("use_dynamic_shifting", Json(false)) == true;
}

// dpm_fast counts evaluations, RePaint has a step again at every resampling.
int steps_to_ask(const SampleOptions& o, const SchedulerConfig& config, const Sampling& sampling) {
  if (!config.state().row->takes.steps) return 0;
  if (o.steps > 0) return o.steps;
  const std::string sampler = config.name();
  return sampler == "dpm_fast" || sampler == "repaint" ? 0 : static_cast<int>(sampling.steps.size());
}

// A noise prediction's error of x0 is that of eps times sigma / alpha.
void warn_if_unsteady(const SchedulerConfig& config, const NoiseLevel& first, const Context& context) {
  const Json& f = config.state().resolved;
  const bool clips = f.value("clip_sample", Json(true)) == true;  // samplers without clip_sample are meant to go without
  if (clips || f.value("thresholding", Json(false)) == true) return;
  if (f.value("prediction_type", Json()) != "epsilon" || first.alpha >= 0.001 * first.sigma) return;
  context.log(LogLevel::warning, "sample: the model predicts noise and begins at alpha = " + std::to_string(first.alpha) +
                                     ", by which errors of x0 are divided; its scheduler should have clip_sample");
}

// An inversion of pure noise is what diffusers' loop does with such a scheduler, and hardly what is meant.
void warn_without_picture(const SchedulerConfig& config, const SampleOptions& o, const Context& context) {
  const Takes& takes = config.state().row->takes;
  if (!takes.picture || takes.mask || o.picture.defined()) return;
  context.log(LogLevel::warning, "sample: " + config.name() + " leads from a picture to its noise, and begins with noise here " +
                                     "for want of that picture (--picture)");
}

void warn_of_steps(const SchedulerConfig& config, const SampleOptions& o, const Context& context) {
  if (config.state().row->takes.steps || o.steps == 0) return;
  context.log(LogLevel::warning, "sample: the number of steps (--steps) counts for nothing: " + config.name() +
                                     " chooses its steps by a tolerance");
}

void copy_rows(const Tensor& from, Tensor& to, std::int64_t first) {
  const std::int64_t row = from.elements() / from.extent(0);
  std::ranges::copy(from.values(), to.mutable_values().begin() + first * row);
}

// Pictures of sample 0 at about ten steps.
struct Strip {
  std::vector<Tensor> noisy, predicted;
  std::size_t every = 1;

  void take(const Tensor& x, const Tensor& x0) {
    noisy.push_back(x.rows(0, 1).clone());
    predicted.push_back(x0.rows(0, 1).clone());
  }
  Tensor join() const {
    if (noisy.empty()) return {};
    const auto m = static_cast<std::int64_t>(noisy.size());
    const Tensor& one = noisy.front();
    Tensor result = Tensor::uninitialised({2 * m, one.extent(1), one.extent(2), one.extent(3)}, DType::f32, one.context());
    for (std::int64_t i = 0; i < m; ++i) {
      copy_rows(noisy[static_cast<std::size_t>(i)], result, i);
      copy_rows(predicted[static_cast<std::size_t>(i)], result, m + i);
    }
    return result;
  }
};

}  // namespace

Samples sample(const Model& model, const SampleOptions& o) {
  if (o.num < 1 || o.batch_size < 1) throw Error("sample: num and batch_size must be positive");
  if (!std::isfinite(o.guidance)) throw Error("sample: guidance must be a finite number, got " + std::to_string(o.guidance));
  const std::vector<std::int64_t> labels = labels_of(model, o);
  const SchedulerConfig config = scheduler_for(model, o);
  const UNetConfig& u = model.unet.config();
  const std::int64_t height = o.height > 0 ? o.height : u.sample_height, width = o.width > 0 ? o.width : u.sample_width;
  if (height < 1 || width < 1) throw Error("sample: the model names no picture size; give height and width (--size)");
  const Sampling sampling = sampling_of(config, {.steps = o.steps,
                                                 .eta = o.eta,
                                                 .batch_coupled = o.torch_noise.has_value(),
                                                 .sigmas = o.sigmas,
                                                 .image_tokens = shifted_by_size(config) ? height * width : 0,
                                                 .picture = o.picture,
                                                 .mask = o.mask});
  const Context context = model.unet.parameters().front().value().context();
  warn_if_unsteady(config, sampling.steps.front().from, context);
  warn_without_picture(config, o, context);
  warn_of_steps(config, o, context);
  const NoiseSource source = o.torch_noise ? torch_cpu_noise(o.seed, o.num, *o.torch_noise) : philox_noise(o.seed);

  Samples result{Tensor::uninitialised({o.num, height, width, u.in_channels}, DType::f32, context), {}, config.name(),
                 steps_to_ask(o, config, sampling)};
  Strip strip{{}, {}, std::max<std::size_t>(1, sampling.steps.size() / 10)};
  const std::int64_t batch_size = sampling.whole_batch ? o.num : o.batch_size;
  const std::int64_t batches = (o.num + batch_size - 1) / batch_size;
  for (std::int64_t b = 0; b < batches; ++b) {
    const std::int64_t first = b * batch_size, n = std::min(batch_size, o.num - first);
    const Denoiser denoise = denoiser_for(model, sampling, o.guidance, conditions_of(labels, model.no_label, first, n, context));
    const NoiseSource noise = source.from_sample(first);
    const auto on_step = [&](const StepReport& r) {
      const bool shown = (r.step + 1) % strip.every == 0 || r.step + 1 == r.steps;
      if (o.trajectory && b == 0 && shown) strip.take(r.x, r.x0());
      const auto of = static_cast<std::int64_t>(r.steps);
      if (o.on_progress) o.on_progress(b * of + static_cast<std::int64_t>(r.step) + 1, batches * of);
    };
    SamplerOptions options;
    options.on_step = on_step;
    options.cancel = o.cancel;
    const Tensor z = noise.normal({n, height, width, u.in_channels}, kInitialNoise, context);
    const Tensor x = sampling.sampler(denoise, affine(z, sampling.initial_scale), sampling.steps, noise, options);
    copy_rows(x, result.x, first);
  }
  result.trajectory = strip.join();
  return result;
}

}  // namespace eddy::inline v0_1
