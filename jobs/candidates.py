"""Stage candidates as a Ray job (and before it what it needs); jobs/pipeline.py shows how to submit one."""

from hnlm_ray.cli.job import run_job

if __name__ == "__main__":
    run_job("candidates")
