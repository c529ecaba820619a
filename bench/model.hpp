// A whole U-Net and what it is fed with, for the modes that run one.
#pragma once

#include "bench.hpp"
#include "eddy/model.hpp"
#include "eddy/train.hpp"

namespace eddy::bench {

// x, t and eps of the file that compare.py's peers wrote, else noise; sample i is of class i modulo their number.
struct Inputs {
  Tensor x, t, eps;
  Condition condition;
};

Inputs inputs_for(const Options& options, const UNetConfig& config, const Context& context);
UNet unet_for(const Options& options, const Context& context);

// Forward, mean squared error, backward, clipping, AdamW and the average of the weights, as peers.py has them.
class TrainingStep {
 public:
  TrainingStep(const Options& options, const UNet& unet, const Context& context);
  double operator()();  // the loss

 private:
  UNet unet_;
  Inputs in_;
  Optimizer optimizer_;
};

}  // namespace eddy::bench
