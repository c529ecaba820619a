// What a run refuses, says and keeps, of src/pipeline/run.cpp.
#include <filesystem>
#include <stdexcept>

#include "pipeline/runs.hpp"
#include "support/catch.hpp"
#include "support/temporary.hpp"

using namespace eddy;
using namespace eddy::test;

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

TEST_CASE("run: another schedule of the rate is told by its name, not by its arguments") {
  const Temporary folder;
  write_pictures(folder / "data");
  const std::string out = folder / "run";
  train_run(options(out, config(folder / "data", R"("steps":1,"sample_every":0)"), 2));
  for (const char* name : {"polynomial", "cosine_with_restarts", "constant"}) {
    const std::string wish = std::string(R"({"train":{"lr_schedule":")") + name + "\"}}";
    CHECK_THROWS_WITH(train_run(options(out, wish, 2)),
                      Catch::Contains(R"(train.lr_schedule was "cosine", asked for is ")" + std::string(name)));
  }
  RunOptions again = options(folder / "again", R"({"train":{"lr_schedule":"linear"}})", 2);  // the file's lr_cycles stays behind
  again.config_file = out + "/config.json";
  CHECK(train_run(again).steps == 1);
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
