"""DEIS and UniPC. Left out, because diffusers gives NaN: bh1 and eps with a final sigma of zero. `double`: in float32 diffusers
itself is off by more than a step's tolerance, since the coefficients of DEIS are differences of large terms."""
from sampler_cases.solver import case

DEIS, UNIPC = "DEISMultistepScheduler", "UniPCMultistepScheduler"
FLOW = dict(use_flow_sigmas=True, prediction_type="flow_prediction")
MIN = dict(final_sigmas_type="sigma_min")

CASES = {
    "deis": case(DEIS, 7),
    "deis order 1": case(DEIS, 5, solver_order=1, prediction_type="v_prediction"),
    "deis order 3": case(DEIS, 15, solver_order=3, prediction_type="v_prediction", double=True),
    "deis order 3 at the end": case(DEIS, 7, solver_order=3, lower_order_final=False, seed=1),
    "deis sample, leading": case(DEIS, 6, prediction_type="sample", timestep_spacing="leading", steps_offset=1),
    "deis threshold, trailing": case(DEIS, 6, thresholding=True, sample_max_value=1.5, timestep_spacing="trailing"),
    "deis karras": case(DEIS, 6, use_karras_sigmas=True),
    "deis exponential": case(DEIS, 6, use_exponential_sigmas=True, beta_schedule="squaredcos_cap_v2",
                             prediction_type="v_prediction", begin=True, double=True),
    "deis beta": case(DEIS, 6, use_beta_sigmas=True),
    "deis flow": case(DEIS, 6, flow_shift=3.0, double=True, **FLOW),
    "deis flow, dynamic": case(DEIS, 6, use_dynamic_shifting=True, set_timesteps=dict(mu=0.7), options=dict(mu=0.7), double=True,
                               **FLOW),
    "deis algorithm dpmsolver++": case(DEIS, 5, algorithm_type="dpmsolver++", solver_type="midpoint"),
    "unipc": case(UNIPC, 7),
    "unipc order 1": case(UNIPC, 5, solver_order=1, prediction_type="v_prediction"),
    "unipc order 3": case(UNIPC, 8, solver_order=3, prediction_type="v_prediction", seed=1),
    "unipc order 4": case(UNIPC, 8, solver_order=4, prediction_type="v_prediction"),
    "unipc order 3 at the end": case(UNIPC, 7, solver_order=3, lower_order_final=False, **MIN),
    "unipc bh1": case(UNIPC, 7, solver_type="bh1", **MIN),
    "unipc bh1, order 3, sample": case(UNIPC, 7, solver_type="bh1", solver_order=3, prediction_type="sample", **MIN),
    "unipc eps": case(UNIPC, 7, predict_x0=False, **MIN),
    "unipc eps, order 3, v": case(UNIPC, 7, predict_x0=False, solver_order=3, prediction_type="v_prediction", **MIN),
    "unipc eps, bh1, sample": case(UNIPC, 7, predict_x0=False, solver_type="bh1", prediction_type="sample",
                                   thresholding=True, **MIN),
    "unipc without corrector": case(UNIPC, 6, disable_corrector=[0, 1, 4]),
    "unipc leading": case(UNIPC, 6, timestep_spacing="leading", steps_offset=1, beta_schedule="scaled_linear", beta_start=0.00085,
                          beta_end=0.012),
    "unipc trailing, zero SNR": case(UNIPC, 6, timestep_spacing="trailing", rescale_betas_zero_snr=True,
                                     prediction_type="v_prediction"),
    "unipc threshold": case(UNIPC, 6, thresholding=True, sample_max_value=1.5, beta_schedule="squaredcos_cap_v2"),
    "unipc karras": case(UNIPC, 6, use_karras_sigmas=True),
    "unipc karras, ends": case(UNIPC, 6, use_karras_sigmas=True, sigma_min=0.05, sigma_max=30.0,
                                prediction_type="v_prediction", **MIN),
    "unipc karras of a flow": case(UNIPC, 6, use_karras_sigmas=True, sigma_min=0.01, sigma_max=200.0, **FLOW),
    "unipc exponential": case(UNIPC, 6, use_exponential_sigmas=True, sigma_max=20.0),
    "unipc beta": case(UNIPC, 6, use_beta_sigmas=True, sigma_min=0.1, prediction_type="v_prediction"),
    "unipc flow": case(UNIPC, 6, flow_shift=3.0, **FLOW),
    "unipc flow, to sigma_min": case(UNIPC, 6, **FLOW, **MIN),
    "unipc flow, dynamic": case(UNIPC, 6, use_dynamic_shifting=True, set_timesteps=dict(mu=0.7), options=dict(mu=0.7), **FLOW),
    "unipc flow, linear": case(UNIPC, 6, use_dynamic_shifting=True, time_shift_type="linear", set_timesteps=dict(mu=2.0),
                               options=dict(mu=2.0), **FLOW),
    "unipc flow, terminal": case(UNIPC, 6, shift_terminal=0.1, **FLOW),
    "unipc solver_type heun": case(UNIPC, 5, solver_type="heun"),
}
