import one_ray
import pytest


@pytest.fixture(scope="module")
def local_ray():
    import ray

    one_ray.start()
    return ray
