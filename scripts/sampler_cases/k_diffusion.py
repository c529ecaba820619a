"""The samplers of k-diffusion 0.1.1 (pip download --no-deps, unpacked; its sampling.py is that of commit 4601bf0), on sigmas of
EulerDiscreteScheduler, with the network as k-diffusion's DiscreteEpsDDPMDenoiser and DiscreteVDDPMDenoiser have it (quantize
False). The environment names the folder of the package: K_DIFFUSION=.../k_diffusion.

x, and then the tree's entropy or the noise of each step, come from one generator.
"""
import importlib.util
import os
import sys
import types

import torch
from diffusers import EulerDiscreteScheduler


def load_sampling():
    for name, member in (("torchdiffeq", "odeint"), ("kd.utils", None)):  # not used by what runs here
        stub = types.ModuleType(name)
        if member:
            setattr(stub, member, None)
        else:
            stub.append_dims = lambda x, n: x[(...,) + (None,) * (n - x.ndim)]
        sys.modules[name] = stub
    package = types.ModuleType("kd")
    package.utils = sys.modules["kd.utils"]
    sys.modules["kd"] = package
    spec = importlib.util.spec_from_file_location("kd.sampling", os.path.join(os.environ["K_DIFFUSION"], "sampling.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules["kd.sampling"] = module
    spec.loader.exec_module(module)
    return module


sampling = load_sampling()


class KDiffusion:
    """A scheduler by the fields: those of the sigmas, and those of the sampler."""

    def __init__(self, **fields):
        self.config = fields
        self.own = {k: fields[k] for k in self.OWN if k in fields}
        self.seed = fields.get("noise_sampler_seed")
        theirs = {k: v for k, v in fields.items() if k not in self.OWN + ("noise_sampler_seed",)}
        self.sigma_min, self.sigma_max = theirs.get("sigma_min"), theirs.get("sigma_max")
        self.euler = EulerDiscreteScheduler(**theirs)
        kept = self.euler.alphas_cumprod
        self.table = ((1 - kept) / kept) ** 0.5
        self.logs = self.table.log()


def kind(name, own, brownian=False, ranged=False):
    return type(name, (KDiffusion,), dict(OWN=own, brownian=brownian, ranged=ranged))


NOISE = ("eta", "s_noise")
KINDS = [
    kind("dpmpp_2s_ancestral", NOISE),
    kind("dpmpp_sde", NOISE + ("r",), brownian=True),
    kind("dpmpp_2m_sde", NOISE + ("solver_type",), brownian=True),
    kind("dpmpp_3m_sde", NOISE, brownian=True),
    kind("dpm_fast", NOISE, ranged=True),
    kind("dpm_adaptive", NOISE + ("order", "rtol", "atol", "h_init", "pcoeff", "icoeff", "dcoeff", "accept_safety"), ranged=True),
]
KIND = {k.__name__: k for k in KINDS}


def loop(case, scheduler, net, generator):
    def t_of(sigma):
        log = sigma.log()
        low = (log - scheduler.logs[:, None]).ge(0).cumsum(dim=0).argmax(dim=0).clamp(max=len(scheduler.logs) - 2)
        a, b = scheduler.logs[low], scheduler.logs[low + 1]
        w = ((a - log) / (a - b)).clamp(0, 1)
        return (1 - w) * low + w * (low + 1)

    def denoise(x, sigma):
        net.keep(x)
        s = sigma[:, None, None, None]
        y = net(x / (s ** 2 + 1) ** 0.5, t_of(sigma))
        kind = scheduler.euler.config.prediction_type
        if kind == "sample":
            return y
        return x - s * y if kind == "epsilon" else x / (s ** 2 + 1) - y * s / (s ** 2 + 1) ** 0.5

    def recorded(noise):
        def draw(*levels):
            net.noises.append(noise(*levels))
            return net.noises[-1]
        return draw

    scheduler.euler.set_timesteps(case["steps"])
    sigmas = scheduler.euler.sigmas
    low, high = scheduler.sigma_min or scheduler.table[0].item(), scheduler.sigma_max or scheduler.table[-1].item()
    x = torch.randn(2, 2, 4, 4, generator=generator) * (high if scheduler.ranged else sigmas[0])
    noise = lambda *_: torch.randn(x.shape, generator=generator)
    if scheduler.brownian:
        seed = scheduler.seed if scheduler.seed is not None else torch.randint(0, 2 ** 63 - 1, [], generator=generator).item()
        noise = sampling.BrownianTreeNoiseSampler(x, sigmas[sigmas > 0].min(), sigmas.max(), seed)
    sample = getattr(sampling, "sample_" + type(scheduler).__name__)
    options = dict(disable=True, noise_sampler=recorded(noise), **scheduler.own, **case.get("arguments", {}))
    if not scheduler.ranged:
        x = sample(denoise, x, sigmas, **options)
    elif type(scheduler).__name__ == "dpm_fast":
        x = sample(denoise, x, low, high, case["steps"], **options)
    else:
        x = sample(denoise, x, low, high, **options)
    net.keep(x)


def case(name, steps=8, seed=0, eta=None, **fields):
    arguments = {} if eta is None else dict(eta=eta)
    return dict({"class": KIND[name]}, fields=fields, steps=steps, seed=seed, loop=loop, arguments=arguments, options=arguments)


LATENT = dict(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012)

CASES = {
    "2s ancestral": case("dpmpp_2s_ancestral", **LATENT),
    "2s ancestral v, eta": case("dpmpp_2s_ancestral", 7, 1, eta=0.6, s_noise=1.1, prediction_type="v_prediction"),
    "2s ancestral eta 0, karras": case("dpmpp_2s_ancestral", 6, 2, eta=0.0, use_karras_sigmas=True),
    "2s ancestral to sigma_min": case("dpmpp_2s_ancestral", 5, 3, final_sigmas_type="sigma_min", timestep_spacing="trailing"),
    "sde": case("dpmpp_sde", **LATENT),
    "sde r, eta": case("dpmpp_sde", 7, 1, r=0.4, eta=0.7, s_noise=0.9, timestep_spacing="leading", steps_offset=1),
    "sde r 1, sample": case("dpmpp_sde", 6, 2, r=1.0, prediction_type="sample", use_exponential_sigmas=True, **LATENT),
    "sde eta 0, zero SNR": case("dpmpp_sde", 6, 3, eta=0.0, rescale_betas_zero_snr=True, prediction_type="v_prediction"),
    "2m sde": case("dpmpp_2m_sde", 10, **LATENT),
    "2m sde heun": case("dpmpp_2m_sde", 9, 1, solver_type="heun", eta=0.8, s_noise=1.05, use_karras_sigmas=True, **LATENT),
    "2m sde seed": case("dpmpp_2m_sde", 8, 2, noise_sampler_seed=77, prediction_type="v_prediction", use_beta_sigmas=True),
    "2m sde eta 0": case("dpmpp_2m_sde", 8, 3, eta=0.0, solver_type="heun"),
    "3m sde": case("dpmpp_3m_sde", 12, **LATENT),
    "3m sde eta": case("dpmpp_3m_sde", 9, 1, eta=0.5, s_noise=0.95, use_exponential_sigmas=True, **LATENT),
    "3m sde eta 0": case("dpmpp_3m_sde", 8, 2, eta=0.0, use_karras_sigmas=True, sigma_min=0.05, sigma_max=12.0),
    "fast 10": case("dpm_fast", 10, **LATENT),
    "fast 9, eta": case("dpm_fast", 9, 1, eta=0.8, s_noise=1.1, **LATENT),
    "fast 11, range": case("dpm_fast", 11, 2, sigma_min=0.1, sigma_max=20.0, prediction_type="v_prediction"),
    "adaptive": case("dpm_adaptive", 1, **LATENT),
    "adaptive order 2": case("dpm_adaptive", 1, 1, order=2, rtol=0.1, atol=0.02, h_init=0.2, **LATENT),
    "adaptive eta": case("dpm_adaptive", 1, 2, eta=0.5, s_noise=1.02, rtol=0.2, atol=0.05, sigma_min=0.1, sigma_max=10.0,
                         **LATENT),
    "adaptive PID": case("dpm_adaptive", 1, 3, rtol=0.15, atol=0.03, pcoeff=0.2, icoeff=0.7, dcoeff=0.1, accept_safety=0.9,
                         prediction_type="v_prediction", sigma_max=30.0),
}
