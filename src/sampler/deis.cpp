// DEIS: eps interpolated by a polynomial in ln(rho), rho = sigma / alpha, and integrated exactly.
//
//   x_t / alpha_t = x / alpha_s + sum_j C_j eps_j,  C_j = integral over rho from rho_s to rho_t of L_j(ln rho)   [Zhang2023, 3]
//
// L_j is Lagrange's polynomial of the last `order` places. ln rho is -lambda, so this is the step of sampler/exponential.hpp for
// eps with the exact derivatives of the polynomial, and C_j needs no differences of large logarithms ("rho log" of the paper's
// code, `logrho` of diffusers). Not here: the paper's other choices of the variable of interpolation.
#include "sampler/dpm.hpp"

namespace eddy::inline v0_1 {

Tensor sample_deis(const Denoiser& denoise, Tensor x, std::span<const Step> steps, const DeisOptions& options) {
  check_steps("sample_deis", steps);
  DpmMultistepOptions o;
  static_cast<SamplerOptions&>(o) = options;
  o.order = options.order;
  o.integrand = Integrand::eps;
  o.second_order = SecondOrder::heun;
  o.lower_order_final = options.lower_order_final;
  return run_multistep("sample_deis", denoise, std::move(x), steps, nullptr, o);
}

}  // namespace eddy::inline v0_1
