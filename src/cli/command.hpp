// The program's commands. Results go to stdout, everything else to stderr. The program stands on the public headers alone.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "eddy/cancel.hpp"
#include "eddy/context.hpp"

namespace eddy::cli {

// What a command does once its flags are read.
using Action = std::function<void(const CancelToken&)>;

// The default Context from now on, with so many threads (0: all CPUs); its warnings go to stderr.
Context use_context(int threads, Products products = Products::f32);

// Each adds its sub-command, which sets `action`.
void add_train(CLI::App& app, Action& action);
void add_sample(CLI::App& app, Action& action);
void add_convert(CLI::App& app, Action& action);
void add_info(CLI::App& app, Action& action);

// A size as N or HxW; size_problem is "" when it is one.
std::string size_problem(const std::string& text);
std::pair<std::int64_t, std::int64_t> size_of(const std::string& text);  // height, width

// "; is euler meant?": the names that are nearest to a word, or begin with it; "" when none is near.
std::string meant_of(const std::string& word, const std::vector<std::string>& names);

// Says on stderr what is wrong with the flags, or prints what was asked for (--help); returns the exit status.
int wrong_usage(const CLI::App& app, const CLI::ParseError& error);
// Throws Error when what was printed did not all reach stdout.
void flush_output();

}  // namespace eddy::cli
