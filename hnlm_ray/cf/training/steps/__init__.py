"""One step of a training: by autograd, or by gradients written out where there is such a form."""

from hnlm_ray.cf.training.steps.autograd import AutogradSteps
from hnlm_ray.cf.training.steps.by_rows import RowwiseSteps, SomeRowsSteps, pays_by_rows, pays_rowwise
from hnlm_ray.cf.training.steps.catalogue import CatalogueSteps
from hnlm_ray.cf.training.steps.closed import ClosedSteps, has_closed_form, is_linear

__all__ = [
    "AutogradSteps",
    "CatalogueSteps",
    "ClosedSteps",
    "RowwiseSteps",
    "SomeRowsSteps",
    "has_closed_form",
    "is_linear",
    "pays_by_rows",
    "pays_rowwise",
]
