"""NGCF, SGL, SimGCL and XSimGCL against dense float64 formulas, term by term, with the noise that was drawn."""

import io
import math

import numpy as np
import pytest
import torch

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf import Trainer
from hnlm_ray.cf.graph.propagation import Adjacency, product_rows, propagate, propagated_rows
from hnlm_ray.cf.kernels.noise import add_noise, drop_entries, random_bits
from hnlm_ray.cf.losses.pairwise import info_nce
from hnlm_ray.cf.models import simgcl, xsimgcl
from hnlm_ray.config import CFConfig

SMALL = {"dim": 8, "layers": 2, "batch_size": 90, "lr": 0.01, "reg": 0.01, "epochs": 4}
GRAPH_MODELS = ("ngcf", "sgl", "simgcl", "xsimgcl")


def dense(matrix):
    return matrix.to_sparse_csr().to_dense().double()


def literal_contrast(first, second, batch, users, temperature):
    """Item by item and user by user over the batch's nodes, each once."""
    total = 0
    for nodes in (sorted(set(batch.users.tolist())), sorted({users + item for item in batch.items.tolist()})):
        a, b = (view[nodes] / view[nodes].norm(dim=1, keepdim=True) for view in (first, second))
        for n in range(len(nodes)):
            odds = torch.exp(b @ a[n] / temperature)
            total = total - torch.log(odds[n] / odds.sum()) / len(nodes)
    return total


class Recorder:
    """Keeps the noise and the negatives that one step drew."""

    def __init__(self, trainer, monkeypatch):
        self.noise, self.negatives = [], []
        if trainer is not None:
            sample = trainer.sampler.sample
            trainer.sampler.sample = lambda *given: self.negatives.append(sample(*given)) or self.negatives[-1]
        for module in (simgcl, xsimgcl):
            monkeypatch.setattr(module, "add_noise", self.add)

    def add(self, x, length, generator):
        before = x.clone()
        add_noise(x, length, generator)
        self.noise.append((x - before).double())


def split_noise(trainer, batch, noise, layers):
    """The noise of each layer, whole tables: of a last layer only the batch's rows are drawn, the rest is not read."""
    users, whole = trainer.data.users, []
    if batch is None:
        return []
    nodes = sorted(set(batch.users.tolist())) + sorted({users + item for item in batch.items.tolist()})
    for drawn in noise:
        table = torch.zeros(len(trainer.model.table), drawn.shape[1], dtype=torch.float64)
        table[slice(None) if len(drawn) == len(table) else nodes] = drawn
        whole.append(table)
    return [whole[start : start + layers] for start in range(0, len(whole), layers)]


def mean_of(matrix, table, layers, noise=None):
    """The layers 1..L with their noise, and their mean."""
    found = [table]
    for number in range(layers):
        found.append(matrix @ found[-1] + (0 if noise is None else noise[number]))
    return found[1:], sum(found[1:]) / layers


def sgl(trainer, table, batch, _noise, matrix):
    layers = trainer.config.layers

    def lightgcn(a):
        return (table + sum(mean_of(a, table, layers)[0])) / (layers + 1)

    return lightgcn(matrix), [lightgcn(dense(view)) for view in trainer.model.views]


def simgcl_(trainer, table, batch, noise, matrix):
    layers = trainer.config.layers
    views = [mean_of(matrix, table, layers, own)[1] for own in split_noise(trainer, batch, noise, layers)]
    return mean_of(matrix, table, layers)[1], views


def xsimgcl_(trainer, table, batch, noise, matrix):
    found, final = mean_of(matrix, table, trainer.config.layers, noise)
    return final, (final, found[trainer.config.ssl.layer - 1])


def ngcf_(trainer, table, _batch, _noise, matrix, weights=None, kept=None):
    """Equation 7; ``kept`` is what each layer's entries are multiplied by, none: nothing is dropped."""
    weights = trainer.model.weights.detach().double() if weights is None else weights
    found, x = [table], table
    for number, (own, product) in enumerate(weights):
        side = matrix @ x
        z = (side + x) @ own + (side * x) @ product
        x = torch.where(z > 0, z, 0.2 * z) * (1 if kept is None else kept[number])
        found.append(x / x.norm(dim=1, keepdim=True))
    return torch.cat(found, 1), None


LITERAL = {"ngcf": ngcf_, "sgl": sgl, "simgcl": simgcl_, "xsimgcl": xsimgcl_}


def bpr(final, table, batch, negatives, users):
    index = (batch.users, users + batch.items, users + negatives.items)
    user, positive, negative = (final[rows] for rows in index)
    ranking = -torch.log(torch.sigmoid((user * positive).sum(1) - (user * negative).sum(1))).mean()
    return ranking + 0.01 * sum(table[rows].square().sum() for rows in index) / 2 / len(batch.users)


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize(
    ("name", "ssl"),
    [
        ("ngcf", {}),
        ("sgl", {}),
        ("sgl", {"views": "node"}),
        ("simgcl", {}),
        ("xsimgcl", {}),
        ("xsimgcl", {"layer": 3}),
    ],
)
def test_loss_and_gradient_are_those_of_the_dense_formulas(data, monkeypatch, name, ssl, layers):
    ssl = {"weight": 0.7, "temperature": 0.3, "drop": 0.3, **ssl}
    ssl["layer"] = min(ssl.get("layer", 1), layers)
    trainer = Trainer(data, CFConfig(**{**SMALL, "model": name, "layers": layers, "dropout": 0, "ssl": ssl}), 3)
    trainer.model.start_epoch()
    record = Recorder(trainer, monkeypatch)
    twins = [value.detach().double().clone().requires_grad_() for value in trainer.model.parameters()]
    batch = next(iter(trainer._batches()))
    loss = trainer._step(batch)
    matrix = dense(trainer.model.adjacency)
    final, views = LITERAL[name](trainer, twins[0], batch, record.noise, matrix, *twins[1:])
    expected = bpr(final, twins[0], batch, record.negatives[0], data.users)
    if views is not None:
        expected = expected + 0.7 * literal_contrast(*views, batch, data.users, 0.3)
    expected.backward()
    assert loss.item() == pytest.approx(expected.item(), abs=1e-5)
    for ours, theirs in zip(trainer.model.parameters(), twins, strict=True):
        torch.testing.assert_close(ours.grad.double(), theirs.grad, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["sgl", "simgcl", "xsimgcl"])
def test_in_batches_of_whole_users_each_node_is_contrasted_once(data, monkeypatch, name):
    trainer = Trainer(data, CFConfig(**SMALL, model=name, loss="softmax", ssl={"weight": 0.7, "temperature": 0.3}), 3)
    trainer.model.start_epoch()
    record = Recorder(None, monkeypatch)
    batch = next(iter(trainer._batches()))
    assert len(batch.owners) < len(batch.users)
    found = trainer.model.auxiliary(trainer.model(), batch).item()
    table, matrix = trainer.model.table.detach().double(), dense(trainer.model.adjacency)
    _, views = LITERAL[name](trainer, table, batch, record.noise, matrix)
    assert found == pytest.approx(0.7 * literal_contrast(*views, batch, data.users, 0.3).item(), abs=1e-5)


def test_info_nce_is_finite_at_any_temperature_and_0_for_a_single_row():
    rows = torch.randn(30, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    loss = info_nce(rows, -rows, 1e-3)
    loss.backward()
    assert loss.item() == pytest.approx(1900, rel=0.1)
    assert torch.isfinite(rows.grad).all()
    assert info_nce(rows[:1], rows[1:2], 0.2).item() == 0


def test_ngcf_drops_entries_of_each_layer_and_passes_gradients_by_the_others(data):
    trainer = Trainer(data, CFConfig(**SMALL, model="ngcf", dropout=0.4), 3)
    model = trainer.model.train()
    final = model()
    assert final.shape == (data.users + data.items, model.width) == (140, 24)
    table, weights = (value.detach().double().clone().requires_grad_() for value in model.parameters())
    kept = [(part != 0) / 0.6 for part in final.detach().split(8, 1)]
    assert torch.stack(kept[1:]).count_nonzero() / kept[1].numel() / 2 == pytest.approx(0.6, abs=0.03)
    expected = ngcf_(trainer, table, None, None, dense(model.adjacency), weights, kept[1:])[0]
    torch.testing.assert_close(final.double(), expected, atol=2e-5, rtol=0)
    upstream = torch.randn(final.shape, generator=torch.Generator().manual_seed(1))
    final.backward(upstream)
    expected.backward(upstream.double())
    for ours, theirs in zip(model.parameters(), (table, weights), strict=True):
        torch.testing.assert_close(ours.grad.double(), theirs.grad, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("share", [1e-9, 7e-6, 1e-5, 0.25, 0.9])
def test_the_share_dropped_may_be_as_small_as_one_likes(share):
    x = torch.ones(4000, 5)
    drop_entries(x, share, torch.Generator().manual_seed(0))
    assert (x == 0).double().mean().item() == pytest.approx(share, abs=0.01)
    assert x.max().item() == pytest.approx(1 / (1 - share), rel=1e-4)


def test_noise_has_the_sign_of_the_row_its_length_and_uniform_entries():
    x = torch.randn(5000, 3, generator=torch.Generator().manual_seed(0))
    x[7] = 0
    noise = x.clone()
    add_noise(noise, 0.3, torch.Generator().manual_seed(1))
    noise -= x
    assert not noise[7].any()
    x, noise = (torch.cat([rows[:7], rows[8:]]) for rows in (x, noise))
    assert torch.equal(noise.sign(), x.sign())
    torch.testing.assert_close(noise.norm(dim=1), torch.full((4999,), 0.3), atol=1e-6, rtol=1e-6)
    uniform = torch.nn.functional.normalize(torch.rand(5000, 3, generator=torch.Generator().manual_seed(2)), dim=1)
    shares = torch.tensor([0.1, 0.5, 0.9])
    torch.testing.assert_close((noise.abs() / 0.3).quantile(shares, 0), uniform.quantile(shares, 0), atol=0.03, rtol=0)
    repeated = x.clone()
    add_noise(repeated, 0.3, torch.Generator().manual_seed(1))
    assert len(torch.unique(noise.abs(), dim=0)) == 4999


def test_random_numbers_of_16_bits_take_every_value_alike():
    drawn = random_bits(torch.empty(301, 999), torch.Generator().manual_seed(0))
    assert (drawn.shape, drawn.dtype) == ((301, 999), torch.int16)
    counts = torch.bincount((drawn.long() + 2**15).flatten() // 2**12, minlength=16)
    torch.testing.assert_close(counts / drawn.numel(), torch.full((16,), 1 / 16), atol=2e-3, rtol=0)


def edges(matrix, data):
    return (dense(matrix)[: data.users, data.users :] > 0).numpy()


@pytest.mark.parametrize("views", ["edge", "node"])
def test_a_view_is_symmetric_and_normalised_by_what_is_left(make_planted, views):
    data = make_planted(users=200, items=150)
    model = Trainer(data, CFConfig(**SMALL, model="sgl", ssl={"views": views, "drop": 0.3}), 3).model
    model.start_epoch()
    whole = edges(model.adjacency, data)
    for view in model.views:
        left = edges(view, data)
        assert not (left & ~whole).any()
        users, items = left.sum(1, keepdims=True), left.sum(0, keepdims=True)
        expected = left / np.sqrt(np.maximum(users, 1) * np.maximum(items, 1))
        found = dense(view)
        np.testing.assert_allclose(found[: data.users, data.users :], expected, atol=1e-6)
        assert torch.equal(found, found.T)
        if views == "edge":
            assert left.sum() / whole.sum() == pytest.approx(0.7, abs=0.04)
        else:
            gone = [(left.sum(axis) == 0) & (whole.sum(axis) > 0) for axis in (1, 0)]
            assert np.concatenate(gone).mean() == pytest.approx(0.3, abs=0.1)
            assert not (whole & ~left & ~gone[0][:, None] & ~gone[1][None, :]).any()


@pytest.mark.parametrize("views", ["edge", "node"])
def test_views_are_new_for_each_epoch_and_the_same_for_a_seed(data, views):
    config = CFConfig(**SMALL, model="sgl", ssl={"views": views, "drop": 0.3})
    drawn = []
    for _ in range(2):
        model = Trainer(data, config, 3).model
        for _ in range(2):
            model.start_epoch()
            drawn.extend(edges(view, data) for view in model.views)
    assert len({view.tobytes() for view in drawn[:4]}) == 4
    assert all(np.array_equal(*pair) for pair in zip(drawn[:4], drawn[4:], strict=True))


def test_nothing_is_left_out_of_a_view_at_drop_0(data):
    model = Trainer(data, CFConfig(**SMALL, model="sgl", ssl={"drop": 0}), 3).model
    model.start_epoch()
    for view in model.views:
        torch.testing.assert_close(dense(view), dense(model.adjacency), atol=1e-7, rtol=0)


def test_rows_of_a_propagation_are_those_of_the_whole_one(make_planted):
    data = make_planted(items=400)
    adjacency, rows = Adjacency(data.train, data.items), torch.tensor([459, 3, 80, 300])
    assert (data.train.popularity(data.items) == 0).any()
    x = torch.randn(460, 5, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(product_rows(x, adjacency, torch.arange(460)), adjacency.matmul(x), atol=1e-6, rtol=0)
    ours, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    found, expected = propagated_rows(ours, adjacency, 3, rows), propagate(theirs, adjacency, 3)[rows]
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)
    found.square().sum().backward()
    expected.square().sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", GRAPH_MODELS)
def test_evaluation_is_without_noise_and_leaves_the_random_streams_alone(data, name):
    trainer = Trainer(data, CFConfig(**SMALL, model=name), 3)
    trainer.run_epoch()
    state = trainer.model.generator.get_state()
    first, second = (torch.cat(trainer.model.embeddings()) for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(trainer.model.generator.get_state(), state)
    table = trainer.model.table.detach().double()
    expected = LITERAL[name](trainer, table, None, [torch.zeros(())] * 2, dense(trainer.model.adjacency))[0]
    torch.testing.assert_close(first.double(), expected.detach(), atol=1e-5, rtol=0)
    noisy = trainer.model.train()()
    assert torch.allclose(noisy, first) == (name in {"sgl", "simgcl"})


@pytest.mark.parametrize("loss", ["bpr", "softmax"])
@pytest.mark.parametrize("name", GRAPH_MODELS)
def test_resuming_is_equal_bit_for_bit(data, name, loss):
    config = CFConfig(**SMALL, model=name, loss=loss)
    straight, first, resumed = (Trainer(data, config, seed) for seed in (11, 11, 999))
    losses = [straight.run_epoch().loss for _ in range(3)]
    first.run_epoch()
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    assert [resumed.run_epoch().loss for _ in range(2)] == losses[1:]
    for ours, theirs in zip(straight.model.parameters(), resumed.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("loss", ["bpr", "softmax"])
@pytest.mark.parametrize("name", GRAPH_MODELS)
def test_planted_structure_is_learnt(make_planted, name, loss):
    data = make_planted(users=120, seed=4)
    # Of so few rows Xavier's start is larger than 0.1, and 15 epochs get less far from it.
    own = {"ssl": {"weight": 0.02}, "dim": 16, "lr": 0.02, "batch_size": 256, "init": "normal"}
    trainer = Trainer(data, CFConfig(model=name, loss=loss, **own), 0)
    untrained = trainer.evaluate("validation").means["ndcg@20"]
    losses = [trainer.run_epoch().loss for _ in range(15)]
    assert losses[-1] < losses[0]
    assert trainer.evaluate("validation").means["ndcg@20"] > 1.35 * untrained


@pytest.mark.parametrize("name", GRAPH_MODELS)
@pytest.mark.parametrize(
    ("loss", "sampler"),
    [
        ("bpr", "pns"),
        ("bpr", "dns"),
        ("bpr", "pool"),
        ("hinge", "ahns"),
        ("bpr", "dns_mn"),
        ("sampled_softmax", "rns"),
        ("sampled_softmax", "in_batch"),
        ("sfcml", "rns"),
    ],
)
def test_every_loss_and_sampler_trains_them(pooled, name, loss, sampler):
    config = CFConfig(**{**SMALL, "lr": 1e-3}, model=name, loss=loss, sampler=sampler, softmax={"negatives": 5})
    trainer = Trainer(pooled, config, 0)
    before = [value.detach().clone() for value in trainer.model.parameters()]
    losses = [trainer.run_epoch().loss for _ in range(3)]
    assert losses[-1] < losses[0]
    for value, start in zip(trainer.model.parameters(), before, strict=True):
        assert not torch.equal(value, start)
    width = 24 if name == "ngcf" else 8
    assert trainer.scorer().user_embeddings.shape == (pooled.users, width)


@pytest.mark.parametrize("sampler", ["mixgcf", "dins"])
def test_samplers_that_mix_layers_work_with_sgl_alone(data, sampler):
    trainer = Trainer(data, CFConfig(**SMALL, model="sgl", sampler=sampler), 0)
    losses = [trainer.run_epoch().loss for _ in range(4)]
    assert losses[-1] < losses[0]
    for name in ("ngcf", "simgcl", "xsimgcl"):
        with pytest.raises(InputError, match="mixes layers"):
            Trainer(data, CFConfig(**SMALL, model=name, sampler=sampler), 0)


def test_sgl_without_contrast_is_lightgcn(data):
    runs = [
        Trainer(data, CFConfig(**SMALL, model=name, gradients="autograd", ssl={"weight": 0}), 3)
        for name in ("sgl", "lightgcn")
    ]
    assert runs[0].run_epoch().loss == runs[1].run_epoch().loss
    assert torch.equal(runs[0].model.table, runs[1].model.table)


@pytest.mark.parametrize("name", GRAPH_MODELS)
def test_bfloat16_propagates_close_to_float32_and_learns_in_float32(data, name):
    exact, rough = (
        Trainer(data, CFConfig(**SMALL, model=name, precision=precision), 3) for precision in ("float32", "bfloat16")
    )
    users, items = (torch.cat(run.model.embeddings()) for run in (exact, rough))
    assert items.dtype == torch.float32
    assert 0 < (users - items).abs().max() < 0.02 * users.abs().max()
    losses = [(exact.run_epoch().loss, rough.run_epoch().loss) for _ in range(3)]
    np.testing.assert_allclose(*zip(*losses, strict=True), rtol=0.05)
    assert all(value.dtype == torch.float32 for value in rough.model.parameters())


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"model": "xsimgcl", "layers": 2, "ssl": {"layer": 3}}, r"cf\.ssl\.layer 3"),
        ({"model": "sgl", "layers": 0}, r"cf\.layers 0"),
        ({"model": "simgcl", "layers": 0}, r"cf\.layers 0"),
        ({"model": "xsimgcl", "layers": 0}, r"cf\.layers 0"),
        ({"model": "ngcf", "bias": True}, r"cf\.bias"),
        ({"model": "sgl", "graph": 0.1}, r"cf\.graph"),
    ],
)
def test_settings_that_would_be_ignored_are_refused(data, values, named):
    with pytest.raises(InputError, match=named):
        Trainer(data, CFConfig(**values), 0)


def test_ngcf_without_layers_is_its_table(data):
    trainer = Trainer(data, CFConfig(**{**SMALL, "model": "ngcf", "layers": 0}), 0)
    assert math.isfinite(trainer.run_epoch().loss)
    assert torch.equal(torch.cat(trainer.model.embeddings()), trainer.model.table)
