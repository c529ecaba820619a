#include <filesystem>
#include <sstream>
#include <stdexcept>

#include "base/files.hpp"
#include "eddy/eddy.hpp"
#include "pipeline/run_files.hpp"
#include "support/catch.hpp"
#include "support/temporary.hpp"

using namespace eddy;
using eddy::test::Temporary;

namespace {

// 120 gray pictures of 8 x 8 in two folders, one a class.
void write_pictures(const std::string& folder) {
  for (std::int64_t i = 0; i < 120; ++i) {
    const std::string part = folder + (i % 2 == 0 ? "/bright" : "/dark");
    std::filesystem::create_directories(part);
    std::vector<float> values(64);
    keyed_normals(1, kUser, i, values);
    for (float& v : values) v = 0.1f * v + (i % 2 == 0 ? 0.5f : -0.5f);
    save_png(part + "/" + std::to_string(1000 + i) + ".png", Tensor::from(std::span<const float>(values), {1, 8, 8, 1}));
  }
}

const char* const kSmall =
    R"("unet":{"block_out_channels":[8,16],"down_block_types":["DownBlock2D","AttnDownBlock2D"],
       "up_block_types":["AttnUpBlock2D","UpBlock2D"],"layers_per_block":1,"attention_head_dim":8,"norm_num_groups":4,
       "dropout":0.1})";

std::string config(const std::string& data, const std::string& train = R"("steps":12,"save_every":4,"sample_every":6)") {
  return R"({"data":{"path":")" + data + R"(","channels":1,"class_folders":true},)" + kSmall +
         R"(,"train":{"batch_size":8,"accumulate":3,"label_dropout":0.2,"flip":true,"held_out_every":6,)" + train + "}}";
}

std::string weights(const std::string& run) {
  return read_file(run + "/model/unet/diffusion_pytorch_model.safetensors", 1 << 24);
}

RunOptions options(const std::string& out, const std::string& text, int threads) {
  return {.out = out, .config = text, .context = Context(ContextOptions{.threads = threads})};
}

}  // namespace

TEST_CASE("run: one that was interrupted three times ends with the same bytes, whatever the threads", "[threads]") {
  const Temporary folder;
  write_pictures(folder / "data");
  const std::string text = config(folder / "data");
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

TEST_CASE("run: a refused value leaves no folder behind") {
  const Temporary folder;
  write_pictures(folder / "data");
  const std::vector<std::pair<std::string, std::string>> refused{{"learning_rate", "-1"}, {"learning_rate", "0"},
                                                                 {"ema_decay", "2"},      {"ema_decay", "1"},
                                                                 {"max_grad_norm", "-1"}, {"weight_decay", "-0.1"},
                                                                 {"label_dropout", "2"}};
  for (const auto& [key, value] : refused) {
    const std::string wrong = R"({"data":{"path":")" + (folder / "data") + R"("},"train":{")" + key + R"(":)" + value + "}}";
    CHECK_THROWS_WITH(train_run(options(folder / "run", wrong, 1)), Catch::Contains(key) && Catch::Contains(value));
    CHECK(!exists(folder / "run"));
  }
}

TEST_CASE("run: an error names the file or the flags at fault") {
  const Temporary folder;
  write_pictures(folder / "data");
  RunOptions o = options(folder / "run", R"({"train":{"steps":0}})", 1);
  o.config_file = folder / "c.json";
  const auto message = [&](const std::string& file) {
    write_file(o.config_file, file);
    try {
      train_run(o);
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string("no error");
  };
  const std::string good = config(folder / "data", R"("steps":1)");
  CHECK_THAT(message(good), Catch::StartsWith("config: train: steps"));
  o.config = "{}";
  CHECK_THAT(message(config(folder / "data", R"("stepz":1)")), Catch::StartsWith(o.config_file + ": train: unknown key 'stepz'"));
  CHECK_THAT(message(R"({"unet":{"layers_per_block":1000},"data":{"path":")" + (folder / "data") + "\"}}"),
             Catch::StartsWith(o.config_file + ": unet: layers_per_block"));
  CHECK(!exists(folder / "run"));
  CHECK(message(good) == "no error");
  CHECK_THAT(message(config(folder / "data", R"("stepz":1)")), Catch::StartsWith(o.config_file));  // going on as well
}

TEST_CASE("run: one that is stopped says where it was saved and how it goes on") {
  const Temporary folder;
  write_pictures(folder / "data");
  std::string last;
  for (const Resume resume : {Resume::automatic, Resume::no}) {
    RunOptions o = options(folder / "run", config(folder / "data"), 2);
    o.resume = resume;
    o.overwrite = resume == Resume::no;
    o.on_note = [&](const std::string& text) { last = text; };
    o.on_step = [&](const TrainReport& r, std::int64_t, double) {
      if (r.step == 2) o.cancel.cancel();
    };
    CHECK_THROWS_AS(train_run(o), Cancelled);
    CHECK_THAT(last, Catch::Contains("step 2") && Catch::Contains("ckpt-00000002") && Catch::Contains("the same command"));
    CHECK((last.find("without --resume") != std::string::npos) == (resume == Resume::no));
  }
}

TEST_CASE("run: another length is told, with what stays of the first one") {
  const Temporary folder;
  write_pictures(folder / "data");
  std::string notes;
  const auto noted = [&](RunOptions o, std::int64_t stop = 0) {
    notes.clear();
    o.on_note = [&](const std::string& text) { notes += text + "\n"; };
    o.on_step = [&, cancel = o.cancel](const TrainReport& r, std::int64_t, double) {
      if (r.step == stop) cancel.cancel();
    };
    if (stop > 0) CHECK_THROWS_AS(train_run(o), Cancelled);
    if (stop == 0) train_run(o);
    return notes;
  };
  const std::string out = folder / "run", text = config(folder / "data", R"("steps":20,"sample_every":0)");
  CHECK_THAT(noted(options(out, text, 2), 2), !Catch::Contains("stay as"));
  CHECK_THAT(noted(options(out, R"({"train":{"steps":4,"save_every":2}})", 2)),
             Catch::Contains("shortened from 20 to 4") && Catch::Contains("warmup 1, ema_decay 0.5, sample_every 0") &&
                 Catch::Contains("for 20 steps") && !Catch::Contains("save_every"));
  RunOptions reused = options(folder / "other", R"({"train":{"steps":2,"warmup":0}})", 2);
  reused.config_file = out + "/config.json";
  CHECK_THAT(noted(reused), Catch::Contains("ema_decay 0.5") && Catch::Contains(out + "/config.json, for 4 steps") &&
                                !Catch::Contains("warmup"));
}

TEST_CASE("run: it begins with what its data is") {
  const Temporary folder;
  write_pictures(folder / "data");
  write_file(folder / "data/dark/more.webp", "x");
  std::vector<std::string> notes;
  RunOptions o = options(folder / "run", config(folder / "data", R"("steps":1,"sample_every":0)"), 2);
  o.on_note = [&](const std::string& text) { notes.push_back(text); };
  train_run(o);
  CHECK(notes.at(0) == "data: 120 pictures of 8 x 8, gray, 2 classes; files skipped: 1");
}

TEST_CASE("run: a model that does not fit is refused with the parameter and both shapes") {
  const Temporary folder;
  write_pictures(folder / "data");
  train_run(options(folder / "a", config(folder / "data", R"("steps":1,"sample_every":0)"), 2));
  const std::string from = R"({"unet":{"block_out_channels":[16,16]},"train":{"from":")" + (folder / "a") + "\"}}";
  RunOptions o = options(folder / "b", from, 2);
  o.config_file = folder / "a/config.json";
  CHECK_THROWS_WITH(train_run(o), Catch::Contains(folder / "a") && Catch::Contains("conv_in.weight (16, 1, 3, 3)") &&
                                      Catch::Contains("conv_in.weight (8, 1, 3, 3)"));
  CHECK(!exists(folder / "b"));
}

TEST_CASE("run: the checkpoint of another run is refused, and so is what is none") {
  const Temporary folder;
  write_pictures(folder / "data");
  const std::string text = config(folder / "data", R"("steps":4,"save_every":2,"sample_every":0)");
  for (const char* name : {"a", "b"}) train_run(options(folder / name, text, 2));
  RunOptions o = options(folder / "a", R"({"train":{"steps":4}})", 2);
  o.resume = Resume::checkpoint;
  o.checkpoint = folder / "b/checkpoints/ckpt-00000002";
  CHECK_THROWS_WITH(train_run(o), Catch::Contains("not one of this run's") && Catch::Contains("--from"));
  o.checkpoint = "sometimes";
  CHECK_THROWS_WITH(train_run(o), Catch::Contains("sometimes") && Catch::Contains("auto, no, or"));
  CHECK(exists(folder / "a/checkpoints/ckpt-00000004"));
  o.checkpoint = folder / "b/../a/checkpoints/ckpt-00000002/";
  CHECK(train_run(o).steps == 4);
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

TEST_CASE("run: another number is refused with the old and the new value") {
  const Temporary folder;
  write_pictures(folder / "data");
  const std::string out = folder / "run";
  train_run(options(out, config(folder / "data"), 2));
  CHECK_THROWS_WITH(train_run(options(out, R"({"train":{"learning_rate":0.5}})", 2)),
                    Catch::Contains("learning_rate") && Catch::Contains("0.002") && Catch::Contains("0.5"));
  CHECK_THROWS_WITH(train_run(options(out, R"({"train":{"lerning_rate":0.5}})", 2)), Catch::Contains("lerning_rate"));
  // Data counts by content: a copy is the same, another picture is not.
  std::filesystem::copy(folder / "data", folder / "copy", std::filesystem::copy_options::recursive);
  CHECK(train_run(options(out, config(folder / "copy"), 2)).was_finished);
  save_png(folder / "copy/dark/1001.png", Tensor::zeros({1, 8, 8, 1}));
  CHECK_THROWS_WITH(train_run(options(out, config(folder / "copy"), 2)),
                    Catch::Contains("pictures of " + (folder / "copy")) && Catch::Contains("have changed"));
  CHECK_THROWS_WITH(train_run(options(out, R"({"data":{"height":16,"width":16}})", 2)),
                    Catch::Contains("data.height was 8, asked for is 16"));
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

TEST_CASE("run: nothing is lost without --overwrite") {
  const Temporary folder;
  write_pictures(folder / "data");
  const std::string out = folder / "run";
  train_run(options(out, config(folder / "data"), 2));
  RunOptions again = options(out, config(folder / "data", R"("steps":2)"), 2);
  again.resume = Resume::no;
  CHECK_THROWS_WITH(train_run(again), Catch::Contains("overwrite"));
  again.overwrite = true;
  again.resume = Resume::automatic;
  CHECK_THROWS_WITH(train_run(again), Catch::Contains("--resume no"));
  again.resume = Resume::no;
  CHECK(train_run(again).steps == 2);
  CHECK_THROWS_WITH(train_run(options(folder / "data", config(folder / "data"), 2)), Catch::Contains("other files"));
}

TEST_CASE("run: the model of fewer steps is not taken for that of the extended run") {
  const Temporary folder;
  write_pictures(folder / "data");
  const std::string out = folder / "run";
  train_run(options(out, config(folder / "data", R"("steps":2,"sample_every":0)"), 2));
  CHECK(load_model(out + "/model").steps == 2);
  std::filesystem::copy(out + "/model", folder / "old", std::filesystem::copy_options::recursive);
  RunOptions more = options(out, R"({"train":{"steps":5,"save_every":2}})", 2);
  more.on_step = [&](const TrainReport& r, std::int64_t, double) {
    if (r.step == 3) more.cancel.cancel();
  };
  CHECK_THROWS_AS(train_run(more), Cancelled);
  CHECK(load_model(out).steps == 3);  // the average of the newest checkpoint, not the old model
  CHECK_THAT(describe(out), Catch::Contains(R"("finished": false)"));
  CHECK(train_run(options(out, "", 2)).steps == 5);
  CHECK_THAT(describe(out), Catch::Contains(R"("finished": true)"));
  const std::string finished = weights(out);
  // As if the model could not be written at the end.
  remove_path(out + "/model");
  rename_path(folder / "old", out + "/model");
  CHECK(load_model(out).steps == 5);
  CHECK_FALSE(train_run(options(out, "", 2)).was_finished);
  CHECK(weights(out) == finished);
  CHECK(train_run(options(out, "", 2)).was_finished);
}

TEST_CASE("run: a model's card outlives an extension; a folder that no model can replace is told before training") {
  const Temporary folder;
  write_pictures(folder / "data");
  const std::string out = folder / "run";
  train_run(options(out, config(folder / "data", R"("steps":1,"sample_every":0)"), 2));
  write_file(out + "/model/README.md", "card");
  train_run(options(out, R"({"train":{"steps":2}})", 2));
  CHECK(load_model(out + "/model").steps == 2);
  CHECK(read_file(out + "/model/README.md", 100) == "card");
  remove_path(out + "/model");
  make_directories(out + "/model");
  write_file(out + "/model/mine.txt", "x");
  RunOptions more = options(out, R"({"train":{"steps":3}})", 2);
  more.on_step = [](const TrainReport&, std::int64_t, double) { FAIL("it trains"); };
  CHECK_THROWS_WITH(train_run(more), Catch::Contains("mine.txt"));
}

TEST_CASE("run: one that is to be thrown away stays until the new one can begin") {
  const Temporary folder;
  write_pictures(folder / "data");
  const std::string out = folder / "run";
  train_run(options(out, config(folder / "data", R"("steps":1)"), 2));
  const std::string before = weights(out);
  RunOptions again = options(out, config(folder / "data", R"("steps":2)"), 2);
  again.resume = Resume::no;
  again.overwrite = true;
  for (const std::string& wrong : {config("/nowhere"), config(folder / "data", R"("steps":0)"),
                                   config(folder / "data", R"("from":"/nowhere")")}) {
    again.config = wrong;
    CHECK_THROWS_AS(train_run(again), Error);
    REQUIRE(exists(out + "/model/model_index.json"));
    CHECK(weights(out) == before);
  }
  again.config.clear();
  again.config_file = out + "/config.json";  // its own input
  CHECK(train_run(again).steps == 1);
  CHECK(weights(out) == before);
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
  CHECK(model.scheduler.kind == SamplerKind::ddpm);
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

TEST_CASE("run: missing data and wrong configurations are named") {
  const Temporary folder;
  CHECK_THROWS_WITH(train_run(options(folder / "x", "{}", 1)), Catch::Contains("--data"));
  CHECK_THROWS_WITH(train_run(options(folder / "x", R"({"data":{"path":"/nowhere"}})", 1)), Catch::Contains("/nowhere"));
  for (const char* wrong : {R"({"data":5})", R"({"train":5})", R"({"unet":[]})", R"({"scheduler":"ddim"})", "5"}) {
    RunOptions o = options(folder / "x", wrong, 1);
    o.minutes = 1;
    CHECK_THROWS_WITH(train_run(o), Catch::Contains("must be an object"));
  }
  CHECK(!exists(folder / "x"));
}
