"""What ``hnlm doctor`` looks at; each check says what it found and what to do."""

from hnlm_ray.commands.checks.check import Check
from hnlm_ray.commands.checks.cluster import cluster_checks
from hnlm_ray.commands.checks.machine import machine_checks
from hnlm_ray.commands.checks.models import model_checks
from hnlm_ray.commands.checks.packages import package_checks
from hnlm_ray.commands.checks.storage import storage_checks

__all__ = ["Check", "cluster_checks", "machine_checks", "model_checks", "package_checks", "storage_checks"]
