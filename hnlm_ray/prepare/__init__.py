"""Raw interactions to dense, filtered and split ones. :mod:`hnlm_ray.prepare.stage` runs it on Ray."""
