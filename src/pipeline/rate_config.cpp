// Reading and writing the learning rate's schedule.
#include "pipeline/rate_config.hpp"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <type_traits>
#include <vector>

#include "pipeline/names.hpp"

namespace eddy::inline v0_1 {

namespace {

using Keys = std::vector<std::string>;

// Schedules by diffusers' names, and the keys that each takes.
const std::vector<Name<Keys>> kArguments{{"constant", {}},
                                         {"constant_with_warmup", {"warmup"}},
                                         {"linear", {"warmup", "lr_steps"}},
                                         {"cosine", {"warmup", "lr_steps", "lr_cycles"}},
                                         {"cosine_with_restarts", {"warmup", "lr_steps", "lr_cycles"}},
                                         {"polynomial", {"warmup", "lr_steps", "lr_power", "lr_end"}},
                                         {"piecewise_constant", {"lr_rules"}}};
const Keys kKeys{"warmup", "lr_steps", "lr_cycles", "lr_power", "lr_end", "lr_rules"};

// Numbers as JSON has them, in any locale.
template <class T>
bool read_number(std::string_view text, T& value) {
  const Json json = Json::parse(text, nullptr, false);
  if (std::is_integral_v<T> ? !json.is_number_integer() : !json.is_number()) return false;
  value = json.get<T>();
  return true;
}

// "1:10,0.1:20,0.01"; false when it is not of this form.
bool read_rules(const std::string& text, std::vector<RatePiece>& pieces, double& last) {
  std::string_view rest = text;
  for (std::size_t comma = rest.find(','); comma != std::string_view::npos; comma = rest.find(',')) {
    const std::string_view rule = rest.substr(0, comma);
    const std::size_t colon = std::min(rule.find(':'), rule.size());
    RatePiece piece{};
    if (!read_number(rule.substr(0, colon), piece.factor) || colon == rule.size()) return false;
    if (!read_number(rule.substr(colon + 1), piece.end) || piece.end <= (pieces.empty() ? 0 : pieces.back().end)) return false;
    pieces.push_back(piece);
    rest.remove_prefix(comma + 1);
  }
  const auto good = [](double factor) { return factor >= 0 && std::isfinite(factor); };
  return read_number(rest, last) && good(last) && std::ranges::all_of(pieces, good, &RatePiece::factor);
}

}  // namespace

bool takes_argument(const std::string& schedule, const std::string& key) {
  const auto found = std::ranges::find(kArguments, schedule, [](const auto& kind) { return std::string(kind.first); });
  return found != kArguments.end() && std::ranges::find(found->second, key) != found->second.end();
}

void forget_arguments(Json& train, const Json& schedule) {
  if (!schedule.is_string() || !train.contains("lr_schedule") || train["lr_schedule"] == schedule) return;
  for (const std::string& key : kKeys) {
    const bool alike = key == "warmup" || key == "lr_steps";
    if (!alike || !takes_argument(schedule.get<std::string>(), key)) train.erase(key);
  }
}

RateConfig read_rate(JsonFields& f) {
  constexpr std::int64_t most = std::int64_t{1} << 40;
  RateConfig c;
  c.schedule = f.text("lr_schedule", c.schedule);
  named(f, "lr_schedule", c.schedule, kArguments);
  c.warmup = f.integer("warmup", 0, 0, most);
  c.steps = f.integer("lr_steps", 0, 0, most);
  c.cycles = f.number("lr_cycles", c.schedule == "cosine_with_restarts" ? 1 : c.cycles);
  c.power = f.number("lr_power", c.power);
  c.end = f.number("lr_end", c.end);
  c.rules = f.text("lr_rules", "");
  if (!(c.cycles >= 0 && c.cycles <= 1e6)) f.refuse("lr_cycles", "from 0 to 1000000");
  if (!(c.power > 0)) f.refuse("lr_power", "above 0");
  if (!(c.end >= 0)) f.refuse("lr_end", "at least 0");
  return c;
}

void check_rate(const RateConfig& c, const JsonFields& f, double learning_rate) {
  for (const std::string& key : kKeys) {
    if (!f.has(key) || takes_argument(c.schedule, key)) continue;
    f.refuse(key, "left out: lr_schedule " + c.schedule + " does not take it");
  }
  if (c.schedule == "cosine_with_restarts" && (c.cycles < 1 || c.cycles != std::floor(c.cycles))) {
    f.refuse("lr_cycles", "a whole number of at least 1");
  }
  if (c.schedule == "polynomial" && !(c.end < learning_rate)) f.refuse("lr_end", "below learning_rate");
  std::vector<RatePiece> pieces;
  double last = 0;
  if (c.schedule == "piecewise_constant" && !read_rules(c.rules, pieces, last)) {
    f.refuse("lr_rules", "of the form FACTOR:STEP,...,FACTOR with ascending steps, as 1:1000,0.1:5000,0.01");
  }
}

void write_rate(const RateConfig& c, Json& train) {
  train["lr_schedule"] = c.schedule;
  const Json all{{"warmup", c.warmup}, {"lr_steps", c.steps}, {"lr_cycles", c.cycles},
                 {"lr_power", c.power}, {"lr_end", c.end},    {"lr_rules", c.rules}};
  for (const auto& [key, value] : all.items()) {
    if (takes_argument(c.schedule, key)) train[key] = value;
  }
}

RateSchedule rate_schedule_of(const RateConfig& c, double learning_rate) {
  const auto over = [&](const RateSchedule& schedule) -> RateSchedule {
    if (c.steps == 0) return schedule;
    return [schedule, steps = c.steps](std::int64_t step, std::int64_t) { return schedule(step, steps); };
  };
  if (c.schedule == "linear") return over(linear_rate(c.warmup));
  if (c.schedule == "cosine") return over(cosine_rate(c.warmup, c.cycles));
  if (c.schedule == "cosine_with_restarts") return over(cosine_with_restarts_rate(c.warmup, static_cast<std::int64_t>(c.cycles)));
  if (c.schedule == "polynomial") return over(polynomial_rate(c.warmup, c.power, c.end / learning_rate));
  if (c.schedule != "piecewise_constant") return constant_rate(c.warmup);
  std::vector<RatePiece> pieces;
  double last = 0;
  read_rules(c.rules, pieces, last);
  return piecewise_constant_rate(std::move(pieces), last);
}

}  // namespace eddy::inline v0_1
