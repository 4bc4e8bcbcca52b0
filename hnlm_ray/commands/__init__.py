"""What each `hnlm` command does; :mod:`hnlm_ray.cli` declares them."""
