"""All stages as a Ray job.

ray job submit --working-dir . --runtime-env jobs/runtime_env.yaml -- \
    python jobs/pipeline.py --config configs/demo.yaml --workspace s3://bucket/demo
"""

from hnlm_ray.cli.job import run_job

if __name__ == "__main__":
    run_job()
