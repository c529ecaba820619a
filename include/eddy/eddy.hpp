// The whole library.
#pragma once

#include "eddy/autograd.hpp"
#include "eddy/cancel.hpp"
#include "eddy/context.hpp"
#include "eddy/error.hpp"
#include "eddy/model.hpp"
#include "eddy/network.hpp"
#include "eddy/nn.hpp"
#include "eddy/ops.hpp"
#include "eddy/random.hpp"
#include "eddy/tensor.hpp"
#include "eddy/data.hpp"
#include "eddy/denoiser.hpp"
#include "eddy/sampler.hpp"
#include "eddy/schedule.hpp"
#include "eddy/train.hpp"
#include "eddy/version.hpp"
