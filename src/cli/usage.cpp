// What commands share: values of flags, output, and wrong usage told in the program's own words.
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "cli/command.hpp"
#include "eddy/error.hpp"

namespace eddy::cli {

namespace {

// Letters to add, drop or exchange.
std::size_t distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t least = std::min({row[j] + 1, row[j + 1] + 1, diagonal + (a[i] == b[j] ? 0 : 1)});
      diagonal = std::exchange(row[j + 1], least);
    }
  }
  return row.back();
}

// The flag whose name is near the word, or whose help says it; "" when none is.
std::string meant(const CLI::App& command, const std::string& word) {
  std::string words = word;
  std::ranges::replace(words, '-', ' ');
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) {
      if (distance(name, word) <= 2 || name.starts_with(word) || word.starts_with(name)) return "--" + name;
    }
  }
  for (const CLI::Option* option : command.get_options()) {
    if (!option->get_lnames().empty() && option->get_description().find(words) != std::string::npos) {
      return "--" + option->get_lnames().front();
    }
  }
  return {};
}

std::string commands(const CLI::App& app) {
  std::string all;
  for (const CLI::App* each : app.get_subcommands({})) all += (all.empty() ? "" : ", ") + each->get_name();
  return all;
}

std::string unknown(const CLI::App& app, const CLI::App& command, const std::string& first) {
  if (first.starts_with("--")) {
    const std::string flag = first.substr(0, first.find('='));
    const std::string near = flag.size() > 3 ? meant(command, flag.substr(2)) : std::string{};
    return "unknown flag " + flag + (near.empty() ? "" : "; is " + near + " meant?");
  }
  if (&app != &command) return "unexpected argument " + first;
  return "unknown command " + first + "; the commands are " + commands(app);
}

}  // namespace

std::string meant_of(const std::string& word, const std::vector<std::string>& names) {
  std::size_t least = 2;
  for (const std::string& name : names) least = std::min(least, distance(name, word));
  std::string all;
  for (const std::string& name : names) {
    if (distance(name, word) > least && (word.size() < 3 || !name.starts_with(word))) continue;
    all += (all.empty() ? "" : " or ") + name;
  }
  return all.empty() ? all : "; is " + all + " meant?";
}

std::string size_problem(const std::string& text) {
  long long h = 0, w = 0;
  char rest = 0;
  const int read = std::sscanf(text.c_str(), "%lldx%lld%c", &h, &w, &rest);
  const bool fits = (read == 2 || (read == 1 && text.find('x') == std::string::npos)) && h > 0 && (read == 1 || w > 0);
  return fits ? std::string{} : "must be N or HxW, got " + text;
}

std::pair<std::int64_t, std::int64_t> size_of(const std::string& text) {
  const std::size_t x = text.find('x');
  const std::int64_t h = std::stoll(text);
  return {h, x == std::string::npos ? h : std::stoll(text.substr(x + 1))};
}

int wrong_usage(const CLI::App& app, const CLI::ParseError& error) {
  if (error.get_exit_code() == 0) return app.exit(error), std::cout.flush() ? 0 : 1;  // help and version, which CLI11 prints
  const auto chosen = app.get_subcommands();
  const CLI::App& command = chosen.empty() ? app : *chosen.front();
  const std::vector<std::string> rest = app.remaining(true);
  std::string text = chosen.empty() ? "a command is needed: " + commands(app) : error.what();
  if (!rest.empty()) text = unknown(app, command, rest.front());
  const std::string program = chosen.empty() ? "eddy" : "eddy " + command.get_name();
  std::fprintf(stderr, "eddy: error: %s\n`%s --help` tells more\n", text.c_str(), program.c_str());
  return 2;
}

void flush_output() {
  std::cout.flush();
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0 || !std::cout) throw Error("the output cannot be written to stdout");
}

}  // namespace eddy::cli
