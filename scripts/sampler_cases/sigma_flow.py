"""Euler and Heun of EDM and of flow matching. Left out: churn of FlowMatchHeun, which adds noise without lessening alpha, and
stochastic_sampling with invert_sigmas, where diffusers takes the noise for the data."""

from .sigma import case


def flow(steps=6, mu=None, **fields):
    c = case("FlowMatchEulerDiscrete", steps, **fields)
    if mu is not None:
        c.update(set_timesteps=dict(mu=mu), options=dict(mu=mu))
    return c


CASES = {
    "edm_euler": case("EDMEuler"),
    "edm_euler v": case("EDMEuler", prediction_type="v_prediction", sigma_data=1.0, sigma_min=0.02, sigma_max=50.0, rho=5.0),
    "edm_euler exponential": case("EDMEuler", sigma_schedule="exponential", final_sigmas_type="sigma_min"),
    "edm_euler churn": case("EDMEuler", churn=[2.0, 0.05, 60.0, 1.05], seed=8),
    "edm_euler churn, v": case("EDMEuler", churn=[9.0, 0.0, 1e9, 1.0], prediction_type="v_prediction"),
    "flow_euler": flow(),
    "flow_euler shift": flow(8, shift=3.0),
    "flow_euler dynamic": flow(use_dynamic_shifting=True, mu=0.8),
    "flow_euler dynamic, linear": flow(use_dynamic_shifting=True, time_shift_type="linear", mu=1.7),
    "flow_euler terminal": flow(use_dynamic_shifting=True, mu=1.2, shift_terminal=0.1),
    "flow_euler inverted": flow(invert_sigmas=True, shift=2.0),
    "flow_euler stochastic": flow(stochastic_sampling=True, seed=3),
    "flow_euler karras": flow(use_karras_sigmas=True, shift=2.0),
    "flow_euler exponential": flow(use_exponential_sigmas=True),
    "flow_euler beta": flow(use_beta_sigmas=True, num_train_timesteps=500),
    "flow_heun": case("FlowMatchHeunDiscrete", 5),
    "flow_heun shift": case("FlowMatchHeunDiscrete", 5, shift=3.0, num_train_timesteps=200),
}
