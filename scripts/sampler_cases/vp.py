"""The rest of DDPM and DDIM, DDIM's inversion, PNDM, IPNDM and UnCLIP. Left out: PNDM with spacing linspace and the cosine
schedule, whose first step in diffusers is a difference of terms that are 20000 times as large, in float32."""
import torch


def case(cls, steps=8, learned=False, seed=0, arguments={}, options={}, loop=None, **fields):
    result = dict({"class": cls}, fields=fields, steps=steps, learned=learned, seed=seed, arguments=arguments, options=options)
    return dict(result, loop=loop) if loop else result


def unclip_loop(case, scheduler, net, generator):
    """As UnCLIPPipeline: the step is told the timestep that comes next."""
    scheduler.set_timesteps(case["steps"])
    x = torch.randn(net.shape, generator=generator)
    for i, t in enumerate(scheduler.timesteps):
        net.keep(x)
        following = scheduler.timesteps[i + 1] if i + 1 < len(scheduler.timesteps) else None
        x = scheduler.step(net(x, t), t, x, prev_timestep=following, generator=generator)[0]
    net.keep(x)


def inverse_loop(case, scheduler, net, generator):
    """Ascending timesteps, without scale_model_input."""
    scheduler.set_timesteps(case["steps"])
    x = torch.randn(net.shape, generator=generator)
    for t in scheduler.timesteps:
        net.keep(x)
        x = scheduler.step(net(x, t), int(t), x)[0]
    net.keep(x)


def ddpm(steps=8, **fields):
    return case("DDPMScheduler", steps, **fields)


def ddim(steps=8, **fields):
    return case("DDIMScheduler", steps, **fields)


def inverse(steps=8, **fields):
    return case("DDIMInverseScheduler", steps, loop=inverse_loop, **fields)


def pndm(steps=8, **fields):
    return case("PNDMScheduler", steps, **fields)


def unclip(steps=8, **fields):
    return case("UnCLIPScheduler", steps, loop=unclip_loop, **fields)


CLIPPED = dict(use_clipped_model_output=True)
CASES = {
    "ddpm laplace": ddpm(beta_schedule="laplace"),
    "ddpm sigmoid": ddpm(beta_schedule="sigmoid", prediction_type="v_prediction"),
    "ddpm zero SNR": ddpm(rescale_betas_zero_snr=True, prediction_type="v_prediction", timestep_spacing="trailing"),
    "ddpm fixed_large, trailing": ddpm(variance_type="fixed_large", timestep_spacing="trailing"),
    "ddpm fixed_large, offset": ddpm(variance_type="fixed_large", steps_offset=1, clip_sample_range=2.0),
    "ddpm fixed_small, trailing": ddpm(timestep_spacing="trailing", seed=1),
    "ddpm learned": ddpm(variance_type="learned", learned="positive"),
    "ddpm learned_range, trailing": ddpm(variance_type="learned_range", learned=True, timestep_spacing="trailing"),
    "ddpm parallel": case("DDPMParallelScheduler", prediction_type="v_prediction"),
    "ddim clipped output": ddim(arguments=CLIPPED, options=CLIPPED),
    "ddim clipped output, eta, v": ddim(arguments=dict(CLIPPED, eta=0.5), options=dict(CLIPPED, eta=0.5),
                                        timestep_spacing="trailing", prediction_type="v_prediction"),
    "ddim clipped output, sample": ddim(6, arguments=CLIPPED, options=CLIPPED, prediction_type="sample",
                                        timestep_spacing="linspace"),
    "ddim parallel": case("DDIMParallelScheduler", arguments=dict(eta=0.3), options=dict(eta=0.3), clip_sample=False),
    "inverse epsilon": inverse(),
    "inverse v, trailing": inverse(7, prediction_type="v_prediction", timestep_spacing="trailing", clip_sample=False),
    "inverse sample": inverse(prediction_type="sample", set_alpha_to_one=False, steps_offset=1, clip_sample_range=0.7),
    "inverse zero SNR": inverse(prediction_type="v_prediction", timestep_spacing="trailing", rescale_betas_zero_snr=True),
    "pndm": pndm(),
    "pndm v": pndm(prediction_type="v_prediction"),
    "pndm odd": pndm(7, set_alpha_to_one=True, seed=2),
    "pndm linspace": pndm(9, timestep_spacing="linspace", prediction_type="v_prediction"),
    "pndm cosine": pndm(9, beta_schedule="squaredcos_cap_v2", prediction_type="v_prediction"),
    "pndm trailing": pndm(7, timestep_spacing="trailing", beta_schedule="scaled_linear"),
    "pndm four": pndm(4),
    "pndm skip": pndm(10, skip_prk_steps=True, steps_offset=1, beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012),
    "pndm skip v": pndm(8, skip_prk_steps=True, prediction_type="v_prediction", set_alpha_to_one=True),
    "pndm skip linspace": pndm(8, skip_prk_steps=True, timestep_spacing="linspace", prediction_type="v_prediction"),
    "pndm skip trailing": pndm(7, skip_prk_steps=True, timestep_spacing="trailing"),
    "pndm skip two": pndm(2, skip_prk_steps=True),
    "pndm skip one": pndm(1, skip_prk_steps=True, timestep_spacing="trailing"),
    "ipndm": case("IPNDMScheduler", 8),
    "ipndm twenty": case("IPNDMScheduler", 20, seed=1),
    "ipndm betas": case("IPNDMScheduler", 5, trained_betas=[1.0, 0.8, 0.5, 0.3, 0.1, 0.0]),
    "unclip": unclip(),
    "unclip learned_range": unclip(7, variance_type="learned_range", learned=True, prediction_type="sample"),
    "unclip wide": unclip(10, clip_sample_range=3.0, num_train_timesteps=200),
    "unclip every": unclip(10, num_train_timesteps=10),
    "unclip unclipped": unclip(5, clip_sample=False, prediction_type="sample", seed=4),
}
