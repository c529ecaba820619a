// The program `eddy`: train, sample, convert, info. Exit status: 0, 1 for an error, 2 for wrong usage, 130 after Ctrl-C, 143 after
// SIGTERM.
#include <csignal>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "cli/command.hpp"
#include "eddy/error.hpp"
#include "eddy/version.hpp"

namespace {

const eddy::CancelToken* running = nullptr;
volatile std::sig_atomic_t signal_number = 0;

extern "C" void on_signal(int number) {
  signal_number = number;
  if (running != nullptr) running->cancel();
}

void watch_signals(const eddy::CancelToken& token) {
  running = &token;
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = static_cast<int>(SA_RESETHAND);  // a second one ends the program at once
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

// --batch_size is understood as --batch-size; values keep their underscores.
std::vector<std::string> with_hyphens(int argc, char** argv) {
  std::vector<std::string> result(argv + 1, argv + argc);
  for (std::string& argument : result) {
    if (!argument.starts_with("--")) continue;
    for (char& c : argument) {
      if (c == '=') break;
      if (c == '_') c = '-';
    }
  }
  return {result.rbegin(), result.rend()};  // CLI11 reads them from the back
}

}  // namespace

eddy::Context eddy::cli::use_context(int threads, Products products) {
  const auto log = [](LogLevel level, std::string_view text) {
    std::fprintf(stderr, "eddy: %s%.*s\n", level == LogLevel::warning ? "warning: " : "", static_cast<int>(text.size()), text.data());
  };
  const Context context(
      ContextOptions{.products = products, .threads = threads, .memory_limit = available_memory(), .log = log});
  Context::set_default(context);
  return context;
}

namespace {

// A command's flags may already make the default Context, which reads EDDY_ISA and EDDY_THREADS and can throw.
int run(int argc, char** argv, const eddy::CancelToken& token) {
  CLI::App app{"Trains and samples denoising diffusion models on the CPU.", "eddy"};
  app.set_version_flag("--version", std::string("eddy ") + eddy::version());
  app.require_subcommand(1);
  app.footer(
      "Examples:\n"
      "  eddy train --data fashion-mnist --out runs/fashion --minutes 10 --label-dropout 0.1\n"
      "  eddy sample runs/fashion --out garments.png --num 40\n"
      "  eddy info runs/fashion/model\n"
      "`eddy train --help` and so on list the flags of a command.\n"
      "Environment: EDDY_THREADS is the number of threads where no flag gives one, EDDY_ISA the instruction set.");
  eddy::cli::Action action;
  eddy::cli::add_train(app, action);
  eddy::cli::add_sample(app, action);
  eddy::cli::add_convert(app, action);
  eddy::cli::add_info(app, action);
  try {
    app.parse(with_hyphens(argc, argv));
  } catch (const CLI::ParseError& e) {
    return eddy::cli::wrong_usage(app, e);
  }
  watch_signals(token);
  action(token);
  eddy::cli::flush_output();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const eddy::CancelToken token;  // outlives what a signal may find
  try {
    return run(argc, argv, token);
  } catch (const eddy::Cancelled&) {
    std::fprintf(stderr, "eddy: stopped\n");
    return signal_number == SIGTERM ? 143 : 130;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "eddy: error: %s\n", e.what());
    return 1;
  }
}
