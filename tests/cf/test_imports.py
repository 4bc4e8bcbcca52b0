import subprocess
import sys

FOREIGN = ("ray", "transformers", "vllm", "peft", "deepspeed")


UNUSED = ("scipy", "pyarrow", "pandas", "sklearn", "yaml", "rich")


def test_the_package_is_free_of_ray_and_of_every_llm_package():
    code = f"import sys, hnlm_ray.cf; print([name for name in {FOREIGN} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_only_some_trainings_need_is_not_loaded():
    code = f"import sys, hnlm_ray.cf, hnlm_ray.cf.files; print([name for name in {UNUSED} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
