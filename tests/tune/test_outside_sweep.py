"""A sampler and a model of another package in a comparison: in this process, in Ray's workers, and when it is gone."""

import io
import os
import subprocess
import sys

import numpy as np
import one_ray
import pyarrow as pa
import pytest
from rich.console import Console

from hnlm_ray.base.progress import LineProgress
from hnlm_ray.cf import CFData, Positives
from hnlm_ray.config import CFConfig, Config
from hnlm_ray.methods.known import RunMethods
from hnlm_ray.pipeline.status import find_stage
from hnlm_ray.tune.frontier.rows import sampler_words
from hnlm_ray.workspace import Manifest, Workspace
from hnlm_ray.workspace.stage import StageRun
from hnlm_ray.workspace.tables import TABLES

PACKAGE = "own_compared"
PARTS = """
import torch
from hnlm_ray.cf import CandidateSampler, EmbeddingModel, Negatives


class Second(CandidateSampler):
    @torch.no_grad()
    def sample(self, batch, embeddings):
        candidates, scores = self.draw(batch, embeddings)
        return Negatives(candidates.gather(1, scores.topk(2, 1).indices[:, 1:]).squeeze(1))


class Twice(EmbeddingModel):
    def forward(self):
        return 2 * self.table
"""


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A package on the path of this process and of those that it starts."""
    place = tmp_path_factory.mktemp("own")
    (place / PACKAGE).mkdir()
    (place / PACKAGE / "__init__.py").touch()
    (place / PACKAGE / "parts.py").write_text(PARTS)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(place)
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(place), os.environ.get("PYTHONPATH")])))
        patch.setenv("HNLM_PLUGINS", PACKAGE)
        yield place
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[name]


@pytest.fixture
def config(own):
    second, twice = f"{PACKAGE}.parts:Second", f"{PACKAGE}.parts:Twice"
    spaces = {
        "second": {"extends": "dns", "family": "classical", "reads": "nothing", "fixed": {"sampler": second}},
        "either": {"extends": "dns", "family": "classical", "space": {"sampler": {"choice": ["rns", second]}}},
        "twice": {"extends": "rns", "family": "classical", "reads": "nothing", "model": twice},
    }
    cf = {"dim": 8, "epochs": 2, "patience": 12, "batch_size": 64}
    tune = {"models": ["mf"], "methods": ["rns", *spaces], "spaces": spaces, "trials": 2, "concurrent": 1}
    tree = {"name": "own", "workspace": "/nowhere", "source": {"format": "movielens_100k"}}
    return Config.model_validate({**tree, "cf": cf, "tune": tune, "ray": {"cpus": 4}})


def test_methods_of_one_s_own_classes_are_put_together(config):
    compared = RunMethods.of(config.tune).compared
    assert list(compared) == ["mf-rns", "mf-second", "mf-either", "twice"]
    assert compared["mf-second"].method.fixed["sampler"] == f"{PACKAGE}.parts:Second"
    assert compared["mf-either"].method.space["sampler"].values == ("rns", f"{PACKAGE}.parts:Second")
    assert compared["twice"].method.model == f"{PACKAGE}.parts:Twice"
    assert sampler_words(CFConfig(sampler=f"{PACKAGE}.parts:Second", candidates=4)) == "M 4"


@pytest.fixture
def run(config, tmp_path):
    workspace = Workspace.open(str(tmp_path / "ws"))
    workspace.create()
    store = workspace.table("interactions")
    file = store.write_part("f" * 64, "part-0", pa.Table.from_pylist([], schema=TABLES["interactions"]))
    store.publish(Manifest(table="interactions", stage="test", fingerprint="f" * 64, files=(file,)))
    return StageRun(config, workspace, "a" * 64, LineProgress(Console(file=io.StringIO())))


@pytest.mark.real
def test_they_train_in_ray_s_workers(run):
    from hnlm_ray.tune.run.sweep import Sweep
    from hnlm_ray.tune.search.job_queue import SearchedJobs
    from hnlm_ray.tune.stage import searched_methods

    draw = np.random.default_rng(3)
    rows = np.array([(user, item) for user in range(40) for item in draw.choice(50, 9, replace=False)])
    data = CFData(40, 50, *(Positives.from_pairs(*rows[np.arange(len(rows)) % 3 == part].T, 40) for part in range(3)))
    one_ray.stop()  # the next one's workers have the variable
    with one_ray.connected(run.config, [find_stage("trials")]):
        opened = Sweep.open(run, "trials", data)
        found = opened.run_all(SearchedJobs(searched_methods(run.config, data), cpu_seconds=None, begun={}))
    one_ray.stop()
    assert {(row["method"], row["status"]) for row in found.to_pylist()} == {
        *(("mf-rns", "ok"), ("mf-second", "ok"), ("mf-either", "ok"), ("twice", "ok"))
    }


RUN = """
name: own
workspace: {folder}/ws
source: {{format: movielens_100k, path: {folder}}}
llm: {{engine: scripted}}
teacher: {{cf: {{sampler: "{package}.parts:Second"}}}}
tune:
  methods: [rns, second]
  spaces:
    second: {{extends: dns, family: classical, reads: nothing, fixed: {{sampler: "{package}.parts:Second"}}}}
"""


@pytest.fixture
def hnlm(own, tmp_path):
    """Call a command on a run whose methods and teacher name a class of the package."""
    (tmp_path / "run.yaml").write_text(RUN.format(folder=tmp_path, package=PACKAGE))
    rows = [f"{user}\t{item}\t5\t{user + item}\n" for user in range(1, 13) for item in range(1, 13) if user != item]
    (tmp_path / "u.data").write_text("".join(rows))
    items = [f"{item}|Toy Story {item} (1995)|01-Jan-1995||" + "|0" * 19 + "\n" for item in range(1, 13)]
    (tmp_path / "u.item").write_text("".join(items))

    def hnlm(plugins, *arguments):
        command = [sys.executable, "-c", "from hnlm_ray.cli import main; import sys; main(sys.argv[1:])", *arguments]
        environment = {**os.environ, "HNLM_PLUGINS": plugins}
        asked = [*command, "--config", str(tmp_path / "run.yaml")]
        return subprocess.run(asked, env=environment, capture_output=True, text=True, check=False)

    return hnlm


@pytest.mark.parametrize("command", [("status",), ("plan", "--no-measure"), ("config", "show")])
def test_commands_that_look_at_a_run_work_with_it(hnlm, command):
    done = hnlm(PACKAGE, *command)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", ["status", "plan", "run", "results"])
def test_commands_say_in_a_line_a_value_where_it_is_not_allowed(hnlm, command):
    done = hnlm("", command)
    head, *lines = done.stderr.splitlines()
    assert done.returncode == 2
    assert head.endswith("2 values are wrong; mend it and run again:")
    assert [line.split(":")[0] for line in lines] == ["  teacher.cf.sampler", "  tune.spaces.second.fixed"]
