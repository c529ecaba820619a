// Denoisers: what samplers call. A denoiser is a function (x, levels) -> prediction of x_0 and eps; adapters make one of a
// network and a condition, guidance makes one of others.
#pragma once

#include <functional>
#include <span>

#include "eddy/network.hpp"
#include "eddy/schedule.hpp"

namespace eddy::inline v0_1 {

// x0 and eps of x = alpha x0 + sigma eps. A user's denoiser may give x0 alone through from_x0.
struct Prediction {
  Tensor x0, eps;
  Tensor variance;  // of a network with a learned range: its second half as it came (-1 to 1), else empty
};

// levels: one for all samples, or one a sample of x.
using Denoiser = std::function<Prediction(const Tensor& x, std::span<const NoiseLevel> levels)>;

// Adapters bring x to the scale that the network was trained at, alpha^2 + sigma^2 = 1 (flow: alpha + sigma = 1), so that
// denoise(k x, {t, k alpha, k sigma}) gives the same x0 and eps. A network of twice x's channels has a learned range of
// variance in its second half. The network is told level.t. The denoiser throws Error for levels that are not one or one a
// sample, not finite, or 0 in both, and for an output of other channels.
EDDY_API Denoiser from_eps(Network network, Condition condition = {});  // throws Error where alpha is 0
EDDY_API Denoiser from_v(Network network, Condition condition = {});    // v = alpha eps - sigma x0 [Salimans2022, D]
EDDY_API Denoiser from_x0(Network network, Condition condition = {});   // eps = (x - alpha x0) / sigma; 0 where sigma is
EDDY_API Denoiser from_flow(Network network, Condition condition = {});  // u = eps - x0 [Lipman2023]
// The score -eps / sigma of x at alpha = 1, where this network wants it [Song2021b, Eq. 9]; throws Error where alpha is 0.
EDDY_API Denoiser from_score(Network network, Condition condition = {});

// A network whose x0 is the end of the path through x. Throws Error for a sigma_data that is not positive, and a sigma_min that
// is negative.
struct ConsistencyScale {
  double sigma_data = 0.5;  // the data's deviation
  double sigma_min = 0.002;  // where x0 is x
};
// [Song2023, App. C]. Throws Error where alpha is 0.
EDDY_API Denoiser from_consistency(Network network, Condition condition = {}, const ConsistencyScale& scale = {});

struct EdmScaling {
  double sigma_data = 0.5;  // deviation of the data
  bool negative = false;    // the network gives -F: diffusers' v_prediction of its EDM schedulers
};
// D = c_skip x + c_out F(c_in x, t) at alpha = 1, where t is c_noise = ln(sigma) / 4, as edm_level has it [Karras2022, Eq. 7 and
// Table 1]. Throws Error when sigma_data is not above 0.
EDDY_API Denoiser from_edm(Network network, Condition condition = {}, const EdmScaling& scaling = {});

// u + scale (c - u) on x0 and eps [Ho2022, Eq. 6] with scale = 1 + w; scale 1 is the conditional one alone.
EDDY_API Denoiser classifier_free_guidance(Denoiser conditional, Denoiser unconditional, double scale);

// The forward process in one step: alpha x0 + sigma eps, one level for all or one a sample [Ho2020, Eq. 4].
EDDY_API Tensor add_noise(const Tensor& x0, const Tensor& eps, std::span<const NoiseLevel> levels);
// One step of it, from a level to a noisier one: x' = (alpha' / alpha) x + sqrt(sigma'^2 - (alpha' sigma / alpha)^2) eps
// [Ho2020, Eq. 2]. Throws Error when the second is not noisier.
EDDY_API Tensor add_noise_step(const Tensor& x, const Tensor& eps, const NoiseLevel& from, const NoiseLevel& to);

// The velocity alpha eps - sigma x0 of each sample.
EDDY_API Tensor velocity(const Tensor& x0, const Tensor& eps, std::span<const NoiseLevel> levels);

}  // namespace eddy::inline v0_1
