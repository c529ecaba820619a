"""DDIM and DDPM. Left out: fixed_large_log, where diffusers takes the root of a logarithm, and fixed_large with trailing
spacing, where it adds noise to the finished picture."""


def ddim(steps=8, arguments={}, options={}, **fields):
    return dict({"class": "DDIMScheduler"}, fields=fields, steps=steps, arguments=arguments, options=options)


def ddpm(steps=8, learned=False, seed=0, **fields):
    return dict({"class": "DDPMScheduler"}, fields=fields, steps=steps, learned=learned, seed=seed)


CASES = {
    "ddim epsilon": ddim(),
    "ddim sample": ddim(prediction_type="sample"),
    "ddim v": ddim(prediction_type="v_prediction", timestep_spacing="trailing"),
    "ddim unclipped": ddim(7, clip_sample=False, timestep_spacing="linspace"),
    "ddim clipped at 2": ddim(6, clip_sample_range=2.0),
    "ddim threshold": ddim(thresholding=True, dynamic_thresholding_ratio=0.8, sample_max_value=1.5,
                           prediction_type="v_prediction"),
    "ddim eta": ddim(arguments=dict(eta=0.7), options=dict(eta=0.7), beta_schedule="squaredcos_cap_v2",
                     prediction_type="v_prediction"),
    "ddim eta 1": ddim(arguments=dict(eta=1.0), options=dict(eta=1.0), beta_schedule="scaled_linear", beta_start=0.00085,
                       beta_end=0.012, clip_sample=False),
    "ddim alpha and offset": ddim(9, set_alpha_to_one=False, steps_offset=1, clip_sample=False),
    "ddim zero SNR": ddim(rescale_betas_zero_snr=True, prediction_type="v_prediction", timestep_spacing="trailing"),
    "ddim betas": ddim(5, trained_betas=[0.01 * (i + 1) for i in range(20)], num_train_timesteps=20, beta_schedule="linear"),
    "ddpm fixed_small": ddpm(),
    "ddpm fixed_small_log": ddpm(variance_type="fixed_small_log", prediction_type="sample"),
    "ddpm fixed_large": ddpm(variance_type="fixed_large", prediction_type="v_prediction", clip_sample=False),
    "ddpm fixed_large, linspace": ddpm(variance_type="fixed_large", timestep_spacing="linspace", seed=3),
    "ddpm learned_range": ddpm(learned=True, variance_type="learned_range"),
    "ddpm threshold": ddpm(thresholding=True, sample_max_value=2.0, timestep_spacing="linspace"),
    "ddpm cosine, many steps": ddpm(25, beta_schedule="squaredcos_cap_v2", steps_offset=1),
}
