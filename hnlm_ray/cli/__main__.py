"""``python -m hnlm_ray.cli``: the command line without the installed script."""

from hnlm_ray.cli import main

main()
