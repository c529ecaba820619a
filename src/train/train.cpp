// The training loop. A step is `accumulate` micro-batches; their gradients are summed in a fixed binary tree over the
// micro-batch's index, so that several processes that hold complete subtrees could join with equal bytes.
#include "eddy/train.hpp"

#include <algorithm>
#include <cmath>

#include "autograd/accumulate.hpp"
#include "base/clock.hpp"
#include "eddy/autograd.hpp"
#include "eddy/error.hpp"
#include "eddy/ops.hpp"
#include "train/loss_check.hpp"

namespace eddy::inline v0_1 {

namespace {

void join_last(std::vector<Partial>& stack) {
  const Partial right = std::move(stack.back());
  stack.pop_back();
  add_into(stack.back().gradients, right.gradients);
  stack.back().count += right.count;
  stack.back().loss += right.loss;
}

// Joins the last two as long as they are the halves of one complete subtree.
void join_halves(std::vector<Partial>& stack) {
  while (stack.size() > 1) {
    const Partial &left = stack[stack.size() - 2], &right = stack.back();
    const bool halves = left.count == right.count && left.first + left.count == right.first && left.first % (2 * left.count) == 0;
    if (!halves) return;
    join_last(stack);
  }
}

std::string first_bad(const Optimizer& optimizer, const Tensor& gradients) {
  for (std::size_t i = 0; i < optimizer.parameters().size(); ++i) {
    const Tensor part = optimizer.part(gradients, i);
    if (!std::ranges::all_of(part.values(), [](float g) { return std::isfinite(g); })) {
      return "the gradient of " + optimizer.parameters()[i].name();
    }
  }
  return "the loss";
}

Partial run_step(const Network& network, const Optimizer& optimizer, const Loader& loader, const Loss& loss,
                 const TrainOptions& o, std::uint64_t step) {
  const Context context = optimizer.parameters().front().value().context();
  const std::int64_t total = o.batch_size * o.accumulate;
  const std::int64_t end = o.micro_batches > 0 ? o.first_micro_batch + o.micro_batches : o.accumulate;
  std::vector<Partial> stack;
  for (std::int64_t k = o.first_micro_batch; k < end; ++k) {
    const std::uint64_t micro_step = step * static_cast<std::uint64_t>(o.accumulate) + static_cast<std::uint64_t>(k);
    const DropoutScope dropout({o.seed, micro_step});
    const Batch batch = loader.batch(micro_step, context);
    const Tensor values = loss(network, batch, {.seed = o.seed, .step = step, .first = k * o.batch_size, .total = total});
    check_loss("train", values, o.batch_size);
    const Tensor mean = affine(sum(values), 1.0 / static_cast<double>(total));
    const double value = static_cast<double>(mean.item());
    stack.push_back({k, 1, optimizer.gradients(mean), value});
    join_halves(stack);
  }
  if (!o.reduce) return joined(std::move(stack), o.accumulate);
  Partial whole = o.reduce(stack);
  if (whole.first != 0 || whole.count != o.accumulate || !whole.gradients.defined() ||
      whole.gradients.shape() != stack.front().gradients.shape()) {
    throw Error("train: reduce must return the sum over all " + std::to_string(o.accumulate) + " micro-batches");
  }
  return whole;
}

double rate_at(const TrainOptions& o, std::int64_t step) {
  const double rate = o.learning_rate * o.rate_schedule(step, o.steps);
  if (std::isfinite(rate) && rate >= 0) return rate;
  throw Error("train: rate_schedule must give numbers of at least 0, but the rate of step " + std::to_string(step) + " is " +
              std::to_string(rate));
}

void check(const TrainOptions& o, const Dataset& data) {
  if (o.batch_size < 1 || o.accumulate < 1) throw Error("train: batch_size and accumulate must be positive");
  if (o.first_micro_batch < 0 || o.micro_batches < 0 || o.micro_batches > o.accumulate ||
      o.first_micro_batch > o.accumulate - std::max<std::int64_t>(1, o.micro_batches)) {
    throw Error("train: first_micro_batch and micro_batches must lie within accumulate");
  }
  if (!o.reduce && (o.first_micro_batch > 0 || (o.micro_batches > 0 && o.micro_batches < o.accumulate))) {
    throw Error("train: a process that computes a part of a step needs reduce");
  }
  if (!(o.learning_rate > 0)) throw Error("train: learning_rate must be positive");
  if (!o.rate_schedule) throw Error("train: rate_schedule must be given");
  ema_decay(o.ema, 1);  // refuses what is out of range
  if (!o.on_warning) return;
  if (data.size() < 100) {
    o.on_warning("the data set has only " + std::to_string(data.size()) +
                 (data.size() == 1 ? " sample" : " samples") + ": the model will repeat them");
  }
  if (o.batch_size * o.accumulate < 16) {
    o.on_warning("a step sees only " + std::to_string(o.batch_size * o.accumulate) +
                 (o.batch_size * o.accumulate == 1 ? " sample" : " samples") + ": the gradient is noisy; 16 or more learn better");
  }
}

}  // namespace

Partial joined(std::vector<Partial> partials, std::int64_t micro_batches) {
  const auto miss = [](std::int64_t k) { throw Error("joined: micro-batch " + std::to_string(k) + " is missing, or there twice"); };
  std::ranges::sort(partials, {}, &Partial::first);
  std::vector<Partial> stack;
  std::int64_t next = 0;
  for (Partial& partial : partials) {
    if (partial.first != next || partial.count < 1) miss(next);
    next += partial.count;
    stack.push_back(std::move(partial));
    join_halves(stack);
  }
  if (next != micro_batches) miss(next);
  while (stack.size() > 1) join_last(stack);
  return std::move(stack.front());
}

void train(const Network& network, const Optimizer& optimizer, std::shared_ptr<const Dataset> data, const Loss& loss,
           const TrainOptions& o, TrainState& state) {
  if (!data) throw Error("train: there is no data set");
  check(o, *data);
  const CancelScope cancel(o.cancel);
  const Loader loader(data, {.batch_size = o.batch_size, .seed = o.seed, .flip = o.flip,
                             .label_dropout = o.label_dropout, .no_label = o.no_label});
  const double start = now(), spent = state.seconds;
  while (state.step < o.steps) {
    o.cancel.check();
    const double begun = now();
    const Partial sum = run_step(network, optimizer, loader, loss, o, static_cast<std::uint64_t>(state.step));
    const double norm = optimizer.norm(sum.gradients);
    const double rate = rate_at(o, state.step);
    const bool skip = !std::isfinite(sum.loss) || !std::isfinite(norm);
    if (!skip) {
      const double factor = o.max_grad_norm > 0 ? std::min(1.0, o.max_grad_norm / (norm + 1e-6)) : 1.0;  // as torch has it
      const bool average_later = static_cast<bool>(o.after_step);
      optimizer.step(sum.gradients, rate, factor, average_later ? 1.0 : ema_decay(o.ema, optimizer.applied() + 1));
      if (average_later) {
        o.after_step(optimizer.parameters());
        optimizer.update_average(ema_decay(o.ema, optimizer.applied()));
      }
    }
    state.skipped += skip ? 1 : 0;
    state.skipped_in_row = skip ? state.skipped_in_row + 1 : 0;
    ++state.step;
    if (state.skipped_in_row >= 10) {
      throw Error("train: ten steps in a row were not finite; at step " + std::to_string(state.step) + " " +
                  first_bad(optimizer, sum.gradients) + " is the first that is not; a lower learning rate may help");
    }
    state.seconds = spent + now() - start;
    if (o.on_step) o.on_step({state.step, sum.loss, norm, rate, skip, now() - begun});
  }
}

}  // namespace eddy::inline v0_1
