"""LCM, TCD, consistency models, SCM; RePaint, and the score-based samplers, with the loops of their pipelines."""
import torch
from diffusers.schedulers.deprecated import ScoreSdeVpScheduler


def case(cls, steps, seed=0, arguments={}, options={}, set_timesteps={}, loop=None, tensors={}, **fields):
    result = dict({"class": cls}, fields=fields, steps=steps, seed=seed, arguments=arguments, options=options,
                  set_timesteps=set_timesteps, tensors=tensors)
    return dict(result, loop=loop) if loop else result


def own_timesteps_loop(case, scheduler, net, generator):
    """A list of timesteps instead of a number of steps."""
    scheduler.set_timesteps(timesteps=list(case["options"]["timesteps"]))
    x = torch.randn(net.shape, generator=generator) * scheduler.init_noise_sigma
    for t in scheduler.timesteps:
        net.keep(x)
        x = scheduler.step(net(scheduler.scale_model_input(x, t), t), t, x, generator=generator, **case["arguments"])[0]
    net.keep(x)


def scm_loop(case, scheduler, net, generator):
    """As SanaSprintPipeline around its network: latents of deviation sigma_data, which the network sees divided by it."""
    if "timesteps" in case["options"]:
        angles = list(case["options"]["timesteps"])
        scheduler.set_timesteps(len(angles) - 1, timesteps=angles, max_timesteps=None, intermediate_timesteps=None)
    else:
        scheduler.set_timesteps(case["steps"], **case["set_timesteps"])
    sigma_data = scheduler.config.sigma_data
    x = torch.randn(net.shape, generator=generator) * sigma_data
    for t in scheduler.timesteps[:-1]:
        net.keep(x)
        x = scheduler.step(net(x / sigma_data, t) * sigma_data, t, x, generator=generator)[0]
    net.keep(x)


def repaint_loop(case, scheduler, net, generator):
    """As RePaintPipeline; x is kept before it goes back up."""
    x = torch.randn(net.shape, generator=generator)
    o = case["options"]
    scheduler.set_timesteps(case["steps"], o.get("jump_length", 10), o.get("jump_n_sample", 10))
    scheduler.eta = o.get("eta", scheduler.eta)
    before = scheduler.timesteps[0] + 1
    net.keep(x)
    for t in scheduler.timesteps:
        if t < before:
            x = scheduler.step(net(x, t), t, x, case["tensors"]["picture"], case["tensors"]["mask"], generator).prev_sample
            net.keep(x)
        else:
            x = scheduler.undo_step(x, before, generator)
        before = t


def score_ve_loop(case, scheduler, net, generator):
    """As ScoreSdeVePipeline, without its limits of a picture."""
    x = torch.randn(net.shape, generator=generator) * scheduler.init_noise_sigma
    scheduler.set_timesteps(case["steps"])
    scheduler.set_sigmas(case["steps"])
    for i, t in enumerate(scheduler.timesteps):
        sigma = scheduler.sigmas[i] * torch.ones(net.shape[0])
        for _ in range(scheduler.config.correct_steps):
            net.keep(x)
            x = scheduler.step_correct(net(x, sigma), x, generator=generator).prev_sample
        net.keep(x)
        output = scheduler.step_pred(net(x, sigma), t, x, generator=generator)
        x = output.prev_sample
    net.keep(output.prev_sample_mean)


def score_vp_loop(case, scheduler, net, generator):
    """As ScoreSdeVpPipeline of diffusers 0.4."""
    x = torch.randn(net.shape, generator=generator)
    scheduler.set_timesteps(case["steps"])
    for t in scheduler.timesteps:
        net.keep(x)
        t = t * torch.ones(net.shape[0])
        x, mean = scheduler.step_pred(net(x, t * (case["steps"] - 1)), x, t, generator=generator)
    net.keep(mean)


def lcm(steps=4, **fields):
    return case("LCMScheduler", steps, **fields)


def tcd(steps=4, eta=None, **fields):
    chosen = {} if eta is None else dict(eta=eta)
    return case("TCDScheduler", steps, arguments=chosen, options=dict(fields.pop("options", {}), **chosen), **fields)


def consistency(steps=1, **fields):
    return case("CMStochasticIterativeScheduler", steps, **fields)


def scm(steps=2, **fields):
    return case("SCMScheduler", steps, loop=scm_loop, **fields)


def picture():
    random = torch.Generator().manual_seed(11)
    mask = (torch.rand(2, 2, 4, 4, generator=random) > 0.5).float()
    return dict(picture=torch.rand(2, 2, 4, 4, generator=random) * 2 - 1, mask=mask)


def repaint(steps, jump_length, jump_n_sample, eta=None, **fields):
    options = dict(jump_length=jump_length, jump_n_sample=jump_n_sample, **({} if eta is None else dict(eta=eta)))
    return case("RePaintScheduler", steps, options=options, loop=repaint_loop, tensors=picture(), **fields)


def score_ve(steps=6, **fields):
    return case("ScoreSdeVeScheduler", steps, loop=score_ve_loop, **fields)


CASES = {
    "lcm": lcm(),
    "lcm one": lcm(1),
    "lcm eight": lcm(8, beta_schedule="linear", clip_sample=True, seed=1),
    "lcm v": lcm(5, prediction_type="v_prediction", timestep_scaling=0.01, rescale_betas_zero_snr=True),
    "lcm sample": lcm(3, prediction_type="sample", original_inference_steps=7, num_train_timesteps=100, set_alpha_to_one=False),
    "lcm threshold": lcm(4, thresholding=True, dynamic_thresholding_ratio=0.8, sample_max_value=1.5, clip_sample_range=2.0),
    "lcm clipped at 2": lcm(4, clip_sample=True, clip_sample_range=2.0, timestep_spacing="trailing", steps_offset=1),
    "lcm own timesteps": lcm(3, loop=own_timesteps_loop, options=dict(timesteps=[999, 500, 20])),
    "tcd": tcd(),
    "tcd eta 0": tcd(10, eta=0.0),
    "tcd eta 1": tcd(5, eta=1.0, prediction_type="v_prediction"),
    "tcd sample": tcd(7, eta=0.6, prediction_type="sample", beta_schedule="squaredcos_cap_v2", clip_sample=True),
    "tcd original": tcd(3, eta=0.2, original_inference_steps=9, num_train_timesteps=100, set_alpha_to_one=False),
    "tcd own timesteps": tcd(3, eta=0.3, loop=own_timesteps_loop, options=dict(timesteps=[999, 500, 20])),
    "consistency one": consistency(),
    "consistency four": consistency(4),
    "consistency all": consistency(5, num_train_timesteps=5, s_noise=0.9, rho=5.0),
    "consistency wide": consistency(3, sigma_min=0.01, sigma_max=20.0, sigma_data=1.0, clip_denoised=False,
                                    num_train_timesteps=201),
    "consistency own timesteps": consistency(2, loop=own_timesteps_loop, options=dict(timesteps=[22, 0])),
    "consistency own timesteps, three": consistency(3, loop=own_timesteps_loop, options=dict(timesteps=[106, 50, 0]),
                                                    num_train_timesteps=201),
    "scm": scm(),
    "scm one": scm(1, set_timesteps=dict(intermediate_timesteps=None)),
    "scm five": scm(5, set_timesteps=dict(intermediate_timesteps=None), sigma_data=1.0),
    "scm own timesteps": scm(3, options=dict(timesteps=[1.5, 0.9, 0.4, 0.0]), seed=3),
    "repaint": repaint(6, 2, 3, num_train_timesteps=30),
    "repaint eta": repaint(7, 3, 2, eta=0.8, num_train_timesteps=30, beta_schedule="scaled_linear"),
    "repaint eta 1": repaint(5, 1, 2, num_train_timesteps=20, eta=1.0, beta_schedule="sigmoid", seed=2),
    "repaint unclipped": repaint(6, 2, 2, num_train_timesteps=12, clip_sample=False, beta_schedule="squaredcos_cap_v2"),
    "repaint plain": repaint(8, 10, 10),
    "score_ve": score_ve(sigma_max=20.0),
    "score_ve two correctors": score_ve(5, sigma_max=50.0, correct_steps=2, snr=0.1, sigma_min=0.05),
    "score_ve predictor": score_ve(8, correct_steps=0, sigma_max=10.0, sampling_eps=1e-3),
    "score_ve default": score_ve(10),
    "score_vp": case(ScoreSdeVpScheduler, 10, loop=score_vp_loop),
    "score_vp slow": case(ScoreSdeVpScheduler, 20, loop=score_vp_loop, beta_min=0.2, beta_max=10.0, sampling_eps=0.01),
}
