"""One module a family of schedulers: CASES = {name: case}, see make_goldens_samplers.run."""
