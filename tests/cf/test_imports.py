import subprocess
import sys

FOREIGN = ("ray", "transformers", "vllm", "peft", "deepspeed")


def test_the_package_is_free_of_ray_and_of_every_llm_package():
    code = f"import sys, hnlm_ray.cf; print([name for name in {FOREIGN} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
