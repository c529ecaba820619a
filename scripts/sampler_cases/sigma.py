"""Euler, Heun, KDPM2, LMS and their ancestral kin. Left out: log_linear with churn, where diffusers divides s_churn by one step
more than there are; and lists from sigma in the thousands, or with a long step to a small one, where the rounding of diffusers'
own (x - x0) / sigma is above what a replay may differ by."""


def case(name, steps=6, churn=None, seed=0, **fields):
    c = dict({"class": name + "Scheduler"}, fields=fields, steps=steps, seed=seed)
    if churn:
        c.update(arguments=dict(zip(("s_churn", "s_tmin", "s_tmax", "s_noise"), churn)), options=dict(churn=churn))
    return c


def euler(steps=6, **fields):
    return case("EulerDiscrete", steps, **fields)


LATENT = dict(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
V = dict(prediction_type="v_prediction")

CASES = {
    "euler epsilon": euler(),
    "euler sample": euler(prediction_type="sample", timestep_spacing="trailing"),
    "euler v": euler(**V, timestep_spacing="leading", steps_offset=1, **LATENT),
    "euler karras": euler(use_karras_sigmas=True, **LATENT),
    "euler karras, own ends": euler(use_karras_sigmas=True, sigma_min=0.05, sigma_max=10.0),
    "euler exponential": euler(use_exponential_sigmas=True),
    "euler beta": euler(use_beta_sigmas=True, timestep_spacing="trailing"),
    "euler log_linear": euler(interpolation_type="log_linear"),
    "euler continuous": euler(**V, timestep_type="continuous", sigma_min=0.002, sigma_max=700.0, use_karras_sigmas=True),
    "euler zero SNR": euler(**V, rescale_betas_zero_snr=True, timestep_spacing="leading"),
    "euler to sigma_min": euler(final_sigmas_type="sigma_min", beta_schedule="squaredcos_cap_v2",
                                timestep_spacing="leading", **V),
    "euler betas": euler(4, trained_betas=[0.01 * (i + 1) for i in range(20)], num_train_timesteps=20),
    "euler churn": euler(churn=[2.0, 0.1, 50.0, 1.1], seed=5),
    "euler churn, v": euler(churn=[8.0, 0.0, 1e9, 1.0], seed=6, **V),
    "euler churn, sample": euler(churn=[1.0, 0.0, 1e9, 0.9], seed=7, prediction_type="sample"),
    "euler_ancestral epsilon": case("EulerAncestralDiscrete"),
    "euler_ancestral v": case("EulerAncestralDiscrete", seed=2, timestep_spacing="leading", steps_offset=1, **V, **LATENT),
    "euler_ancestral zero SNR": case("EulerAncestralDiscrete", timestep_spacing="leading", rescale_betas_zero_snr=True, **V),
    "heun epsilon": case("HeunDiscrete", 5),
    "heun v": case("HeunDiscrete", 5, timestep_spacing="leading", **V),
    "heun sample, clipped": case("HeunDiscrete", 5, prediction_type="sample", clip_sample=True, clip_sample_range=0.5),
    "heun clipped": case("HeunDiscrete", 5, clip_sample=True, timestep_spacing="trailing", **LATENT),
    "heun karras": case("HeunDiscrete", 5, use_karras_sigmas=True),
    "heun exponential": case("HeunDiscrete", 5, use_exponential_sigmas=True),
    "heun beta": case("HeunDiscrete", 5, use_beta_sigmas=True, **LATENT),
    "heun exp": case("HeunDiscrete", 5, beta_schedule="exp"),
    "dpm_2 epsilon": case("KDPM2Discrete", 5),
    "dpm_2 v": case("KDPM2Discrete", 5, timestep_spacing="leading", steps_offset=1, **V),
    "dpm_2 karras": case("KDPM2Discrete", 5, use_karras_sigmas=True),
    "dpm_2 exponential": case("KDPM2Discrete", 5, use_exponential_sigmas=True, timestep_spacing="trailing"),
    "dpm_2 beta": case("KDPM2Discrete", 5, use_beta_sigmas=True),
    "dpm_2_ancestral epsilon": case("KDPM2AncestralDiscrete", 5),
    "dpm_2_ancestral v": case("KDPM2AncestralDiscrete", 5, seed=4, timestep_spacing="trailing", **V),
    "dpm_2_ancestral karras": case("KDPM2AncestralDiscrete", 5, use_karras_sigmas=True, beta_schedule="scaled_linear"),
    "dpm_2_ancestral exponential": case("KDPM2AncestralDiscrete", 5, use_exponential_sigmas=True),
    "lms epsilon": case("LMSDiscrete", 8),
    "lms v": case("LMSDiscrete", 8, timestep_spacing="leading", steps_offset=1, **V),
    "lms sample, karras": case("LMSDiscrete", 8, prediction_type="sample", use_karras_sigmas=True),
    "lms exponential": case("LMSDiscrete", 8, use_exponential_sigmas=True, timestep_spacing="trailing"),
    "lms beta": case("LMSDiscrete", 8, use_beta_sigmas=True, **LATENT),
}
