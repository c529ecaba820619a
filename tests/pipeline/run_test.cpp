#include <sstream>
#include <stdexcept>

#include "pipeline/run_files.hpp"
#include "pipeline/runs.hpp"
#include "support/catch.hpp"
#include "support/temporary.hpp"

using namespace eddy;
using namespace eddy::test;

TEST_CASE("run: one that was interrupted three times ends with the same bytes, whatever the threads", "[threads]") {
  const Temporary folder;
  write_pictures(folder / "data");
  const std::string text =
      config(folder / "data", R"("steps":12,"save_every":4,"sample_every":6,"lr_schedule":"polynomial","warmup":3,"lr_power":2,
                                 "ema_decay":0.9,"ema_power":0.75,"ema_update_after_step":2,"adam_beta1":0.95,
                                 "weight_decay":0.01,"loss":"min-snr","min_snr_gamma":3)");
  train_run(options(folder / "whole", text, 1));

  const std::string run = folder / "parts";
  int threads = 1;
  for (const std::int64_t stop : {3, 4, 10}) {  // between checkpoints, at one, and after the held-out loss
    RunOptions o = options(run, text, ++threads);
    o.on_step = [&](const TrainReport& r, std::int64_t, double) {
      if (r.step == stop) o.cancel.cancel();
    };
    CHECK_THROWS_AS(train_run(o), Cancelled);
  }
  // A broken write leaves a temporary folder, which counts for nothing.
  std::filesystem::create_directories(run + "/checkpoints/ckpt-00000011.tmp");
  const RunResult result = train_run(options(run, text, 7));
  CHECK(result.steps == 12);
  CHECK(weights(run) == weights(folder / "whole"));
  CHECK(read_file(run + "/samples/step_000012.png", 1 << 20) == read_file(folder / "whole/samples/step_000012.png", 1 << 20));

  const std::string metrics = read_file(run + "/metrics.csv", 1 << 20);
  CHECK(std::ranges::count(metrics, '\n') == 13);
  CHECK(metrics.starts_with("step,loss,grad_norm,lr,images_per_second,seconds"));
  CHECK(list_directory(run + "/checkpoints").size() >= 3);
}

TEST_CASE("run: a finished one says so, more steps extend it, fewer are an error") {
  const Temporary folder;
  write_pictures(folder / "data");
  const std::string out = folder / "run";
  train_run(options(out, config(folder / "data"), 2));
  CHECK(train_run(options(out, config(folder / "data"), 2)).was_finished);
  CHECK_THROWS_WITH(train_run(options(out, R"({"train":{"steps":7}})", 2)), 
                    Catch::Contains("12 steps are done") && Catch::Contains("--resume"));
  std::vector<std::string> notes;
  RunOptions more = options(out, R"({"train":{"steps":14}})", 2);
  more.on_note = [&](const std::string& text) { notes.push_back(text); };
  CHECK(train_run(more).steps == 14);
  CHECK(std::ranges::any_of(notes, [](const std::string& n) { return n.find("extended from 12 to 14") != std::string::npos; }));
}

namespace {

// The lines of metrics.csv without what the clock says.
std::vector<std::string> timeless(const std::string& run) {
  std::vector<std::string> result;
  std::istringstream lines(read_file(run + "/metrics.csv", 1 << 20));
  for (std::string line; std::getline(lines, line);) {
    std::string kept, field;
    std::istringstream fields(line);
    for (int i = 0; std::getline(fields, field, ','); ++i) kept += i == 4 || i == 5 ? std::string() : field + ",";
    result.push_back(kept);
  }
  return result;
}

}  // namespace

TEST_CASE("run: one that was stopped inside a held-out loss or a grid makes up for it") {
  const Temporary folder;
  write_pictures(folder / "data");
  const std::string text = config(folder / "data", R"("steps":12,"save_every":0,"sample_every":6)"), run = folder / "run";
  train_run(options(folder / "whole", text, 2));
  REQUIRE(list_directory(folder / "whole/samples") == std::vector<std::string>{"step_000006.png", "step_000012.png"});
  for (const std::int64_t step : {6, 12}) {
    RunOptions in_held_out = options(run, text, 2);  // cancelled before it begins, it throws at its first operation
    in_held_out.on_step = [&](const TrainReport& r, std::int64_t, double) {
      if (r.step == step) in_held_out.cancel.cancel();
    };
    CHECK_THROWS_AS(train_run(in_held_out), Cancelled);
    CHECK(timeless(run).size() == static_cast<std::size_t>(step + 1));
    RunOptions in_grid = options(run, text, 2);
    in_grid.on_note = [&](const std::string& note) {
      if (note.find("held-out loss") != std::string::npos) in_grid.cancel.cancel();
    };
    CHECK_THROWS_AS(train_run(in_grid), Cancelled);
    CHECK(!exists(sample_file(run, step)));
  }
  const RunResult result = train_run(options(run, text, 2));
  CHECK(result.grid == sample_file(run, 12));
  CHECK(timeless(run) == timeless(folder / "whole"));
  for (const std::int64_t step : {6, 12}) {
    CHECK(read_file(sample_file(run, step), 1 << 20) == read_file(sample_file(folder / "whole", step), 1 << 20));
  }
}

TEST_CASE("run: the speed of a step does not count what was looked at after the one before") {
  const Temporary folder;
  write_pictures(folder / "data");
  RunOptions o = options(folder / "run", config(folder / "data", R"("steps":7,"sample_every":0)"), 2);
  o.on_step = [&](const TrainReport& r, std::int64_t, double speed) { CHECK(speed == Approx(8 * 3 / r.seconds)); };
  train_run(o);
}

TEST_CASE("run: an exception of a callback leaves the lines of the steps before it") {
  const Temporary folder;
  write_pictures(folder / "data");
  RunOptions o = options(folder / "run", config(folder / "data"), 2);
  o.on_step = [](const TrainReport& r, std::int64_t, double) {
    if (r.step == 3) throw std::logic_error("mine");
  };
  CHECK_THROWS_AS(train_run(o), std::logic_error);
  CHECK(timeless(folder / "run").size() == 3);
}

TEST_CASE("run: going on from an older checkpoint leaves nothing of the steps after it") {
  const Temporary folder;
  write_pictures(folder / "data");
  const std::string out = folder / "run";
  train_run(options(out, config(folder / "data", R"("steps":10,"save_every":4,"sample_every":0)"), 2));
  RunOptions o = options(out, R"({"train":{"steps":14,"keep":1}})", 2);
  o.resume = Resume::checkpoint;
  o.checkpoint = out + "/checkpoints/ckpt-00000008";
  o.on_step = [&](const TrainReport& r, std::int64_t, double) {
    if (r.step == 9) o.cancel.cancel();
  };
  CHECK_THROWS_AS(train_run(o), Cancelled);
  CHECK(list_directory(out + "/checkpoints") == std::vector<std::string>{"ckpt-00000009"});
  CHECK(train_run(options(out, "", 2)).steps == 14);
  CHECK(list_directory(out + "/checkpoints") == std::vector<std::string>{"ckpt-00000014"});
}

TEST_CASE("run: checkpoints are ordered by their number") {
  const Temporary folder;
  const std::string run = folder / "run", all = run + "/checkpoints";
  for (const std::int64_t step : {99999999, 100000000, 100000001}) make_directories(checkpoint_folder(run, step));
  for (const char* name : {"ckpt-", "ckpt-100000002.tmp", "ckpt-old"}) make_directories(all + "/" + name);
  CHECK(newest_checkpoint(run) == all + "/ckpt-100000001");
  prune_checkpoints(run, 100000000, 1);  // a later one is not this run's to take
  CHECK(!exists(all + "/ckpt-99999999"));
  CHECK(exists(all + "/ckpt-100000001"));
  CHECK(remove_checkpoints_after(run, 100000000) == 1);
  CHECK(newest_checkpoint(run) == all + "/ckpt-100000000");
}

TEST_CASE("run: how often and on how many samples it looks may change, what it trains on may not") {
  const Temporary folder;
  write_pictures(folder / "data");
  const std::string out = folder / "run", with = R"("steps":2,"sample_every":0)";
  train_run(options(out, config(folder / "data", with), 2));
  CHECK(train_run(options(out, R"({"train":{"steps":4,"held_out_every":1,"held_out_samples":3}})", 2)).steps == 4);
  const std::vector<std::string> lines = timeless(out);
  CHECK(std::ranges::count(lines.back(), ',') > std::ranges::count(lines[1], ','));
  CHECK_THROWS_WITH(train_run(options(out, R"({"train":{"held_out_every":0}})", 2)), Catch::Contains("held_out_every"));
  std::vector<std::string> notes;
  RunOptions o = options(out, "", 2);
  o.minutes = 1;
  o.on_note = [&](const std::string& text) { notes.push_back(text); };
  CHECK(train_run(o).was_finished);
  REQUIRE(notes.size() == 1);
  CHECK_THAT(notes[0], Catch::Contains("--minutes"));
}

TEST_CASE("run: bfloat16 products are recorded, resumed to the byte, and not changed under a run") {
  const Temporary folder;
  write_pictures(folder / "data");
  const std::string text = config(folder / "data", R"("steps":6,"save_every":3,"sample_every":0,"products":"bf16")");
  if (!available(Products::bf16)) {
    CHECK_THROWS_WITH(train_run(options(folder / "run", text, 1)), Catch::Contains("not possible"));
    CHECK(path_kind(folder / "run") == PathKind::missing);
    return;
  }
  train_run(options(folder / "whole", text, 1));
  CHECK_THAT(read_file(folder / "whole/config.json", 1 << 16), Catch::Contains(R"("products": "bf16")"));
  RunOptions o = options(folder / "run", text, 2);
  o.on_step = [&](const TrainReport& r, std::int64_t, double) {
    if (r.step == 2) o.cancel.cancel();
  };
  CHECK_THROWS_AS(train_run(o), Cancelled);
  // Who says nothing goes on with what the run has; who says otherwise is refused.
  const std::string silent = config(folder / "data", R"("steps":6,"save_every":3,"sample_every":0)");
  const std::string other = config(folder / "data", R"("steps":6,"save_every":3,"sample_every":0,"products":"f32")");
  CHECK_THROWS_WITH(train_run(options(folder / "run", other, 1)), Catch::Contains("products") && Catch::Contains("bf16"));
  train_run(options(folder / "run", silent, 1));
  CHECK(weights(folder / "run") == weights(folder / "whole"));
  // A context that rounds is a wish for it.
  RunOptions by_context = options(folder / "context", silent, 2);
  by_context.context = by_context.context.with(Products::bf16);
  train_run(by_context);
  CHECK(weights(folder / "context") == weights(folder / "whole"));
  train_run(options(folder / "plain", silent, 2));
  CHECK(weights(folder / "plain") != weights(folder / "whole"));
}

TEST_CASE("run: its own config.json repeats it, and --from begins with a model's weights") {
  const Temporary folder;
  write_pictures(folder / "data");
  train_run(options(folder / "a", config(folder / "data"), 2));
  RunOptions again = options(folder / "b", "", 2);
  again.config_file = folder / "a/config.json";
  train_run(again);
  CHECK(weights(folder / "a") == weights(folder / "b"));

  RunOptions from = again;
  from.out = folder / "c";
  from.config = R"({"train":{"steps":1,"learning_rate":1e-12,"ema_decay":0,"from":")" + (folder / "a") + R"("}})";
  train_run(from);
  const UNet a = load_unet(folder / "a"), c = load_unet(folder / "c");
  for (std::size_t i = 0; i < a.parameters().size(); ++i) {
    const auto x = a.parameters()[i].value().values(), y = c.parameters()[i].value().values();
    for (std::size_t k = 0; k < x.size(); ++k) REQUIRE(static_cast<double>(x[k]) == Approx(static_cast<double>(y[k])).margin(1e-6));
  }
}

TEST_CASE("run: hybrid loss, other schedules and predictions train and sample") {
  const Temporary folder;
  write_pictures(folder / "data");
  const std::string data = R"("data":{"path":")" + (folder / "data") + R"(","channels":1},)";
  const std::string hybrid = "{" + data + kSmall + R"(,"train":{"steps":2,"batch_size":16,"loss":"hybrid-min-snr"}})";
  train_run(options(folder / "hybrid", hybrid, 2));
  const Model model = load_model(folder / "hybrid");
  CHECK(model.scheduler.name() == "ddpm");
  CHECK(model.unet.config().out_channels == 2);
  CHECK(to_string(sample(model, {.num = 2, .steps = 3}).x.shape()) == "(2, 8, 8, 1)");
  const std::string zero = "{" + data + kSmall +
                           R"(,"scheduler":{"beta_schedule":"linear","rescale_betas_zero_snr":true},
                              "train":{"steps":2,"batch_size":16,"loss":"min-snr"}})";
  CHECK(train_run(options(folder / "zero", zero, 2)).steps == 2);
}

TEST_CASE("run: minutes become a number of steps, which config.json then holds; label drop-out goes along") {
  const Temporary folder;
  write_pictures(folder / "data");
  RunOptions o = options(folder / "run", config(folder / "data", R"("save_every":1000,"sample_every":0)"), 2);
  o.minutes = 0.05;
  const RunResult result = train_run(o);
  CHECK(read_file(folder / "run/config.json", 1 << 20).find("\"steps\": " + std::to_string(result.steps) + ",") != std::string::npos);
  CHECK(train_run(o).was_finished);
}
