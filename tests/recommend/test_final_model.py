"""What is advised after a final training that diverged: only what would change it."""

import pytest

from hnlm_ray.cf import CFData, Positives
from hnlm_ray.config import CFConfig, TuneConfig
from hnlm_ray.errors import StageError
from hnlm_ray.recommend import final_model
from hnlm_ray.recommend.winner import Winner
from hnlm_ray.workspace import Workspace


@pytest.mark.parametrize(
    ("train_on", "advice"),
    [
        ("all", "set recommend.train_on=train or another seed, or leave dns out of tune.methods"),
        ("train", "set another seed, or leave dns out of tune.methods"),
    ],
)
def test_other_rows_are_advised_only_where_all_were_trained_on(tmp_path, train_on, advice):
    winner = Winner("lightgcn-dns", "dns", CFConfig(dim=4, lr=1e38, sampler="dns"), 9)
    workspace = Workspace.open(str(tmp_path))
    job = final_model._Job(winner, TuneConfig(cpus_per_trial=1), 1, train_on, workspace, "a" * 64)
    data = CFData(3, 9, Positives.from_pairs([0, 0, 1, 2], [0, 1, 2, 3], 3))
    with pytest.raises(StageError, match="lightgcn-dns diverged") as raised:
        list(final_model._trained(job, data))
    assert str(raised.value).endswith(f"): {advice}")
