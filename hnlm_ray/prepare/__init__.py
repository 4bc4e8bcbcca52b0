"""Raw interactions to dense, filtered and split ones. :mod:`hnlm_ray.prepare.steps` runs it on Ray."""
