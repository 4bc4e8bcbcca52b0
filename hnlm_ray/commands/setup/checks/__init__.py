"""What ``hnlm doctor`` looks at; each check says what it found and what to do."""

from hnlm_ray.commands.setup.checks.check import Check
from hnlm_ray.commands.setup.checks.cluster import cluster_checks
from hnlm_ray.commands.setup.checks.machine import machine_checks
from hnlm_ray.commands.setup.checks.models import model_checks
from hnlm_ray.commands.setup.checks.packages import package_checks
from hnlm_ray.commands.setup.checks.storage import storage_checks

__all__ = ["Check", "cluster_checks", "machine_checks", "model_checks", "package_checks", "storage_checks"]
