"""Models that read text or an LLM's triples, each against its formula written out in float64, node by node."""

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf import CFData, Positives, Trainer, shuffled_text
from hnlm_ray.cf.data import text
from hnlm_ray.cf.data.batches import Batch, UserBatch
from hnlm_ray.cf.data.text import item_text, node_text, text_mlp, user_text
from hnlm_ray.config import CFConfig

READ_TEXT = ["id_text", "alpharec", "rlmrec_con", "rlmrec_gen", "kar"]
ALL = [*READ_TEXT, "llmrec"]
SMALL = {"dim": 6, "batch_size": 100, "lr": 0.01, "candidates": 3, "gradients": "autograd"}
WEIGHTS = {"hidden": (7,), "weight": 0.3, "mask": 0.2, "own_experts": 3, "triples": 0.5, "prune": 0.4}


@pytest.fixture
def full(texted):
    """Text of most items, and triples, some of which contradict training."""
    rng = np.random.default_rng(8)
    item_text = texted.item_text.copy()
    item_text[[2, 5, 44]] = 0
    columns = (rng.integers(size, size=150) for size in (texted.users, texted.items, texted.items))
    return replace(texted, item_text=item_text, triples=np.stack([*columns], 1))


@pytest.fixture
def profiled(full):
    """The users' own text beside it; two users have none."""
    own = np.random.default_rng(9).standard_normal((full.users, full.item_text.shape[1])) - 2
    own[[0, 7]] = 0
    return replace(full, user_text=own.astype(np.float32))


def trainer_of(data, model, seed=4, **values):
    return Trainer(data, CFConfig(model=model, text=WEIGHTS, **{**SMALL, **values}), seed)


def batch_of(data, edges):
    users, items = data.train.pairs()
    return Batch(*(torch.from_numpy(column[edges].astype(np.int64)) for column in (users, items)), torch.tensor(edges))


# The slow side: float64, dense, a row at a time.


def parameters(model):
    return {name: parameter.detach().double() for name, parameter in model.named_parameters()}


def literal_mlp(x, values, prefix):
    layers = sorted({int(name[len(prefix) :].split(".")[0]) for name in values if name.startswith(prefix)})
    for layer in layers:
        x = values[f"{prefix}{layer}.weight"] @ x + values[f"{prefix}{layer}.bias"]
        if layer != layers[-1]:
            x = torch.where(x > 0, x, 0.01 * x)
    return x


def literal_standardised(raw):
    raw = torch.from_numpy(raw).double()
    known = [row for row in raw if row.any()]
    mean = sum(known) / len(known)
    size = torch.stack([(row - mean).square().mean() for row in known]).mean().sqrt()
    return torch.stack([(row - mean) / size if row.any() else torch.zeros_like(row) for row in raw])


def literal_text(data):
    items = literal_standardised(data.item_text)
    if data.user_text is not None:
        return torch.cat([literal_standardised(data.user_text), items])
    users = torch.zeros(data.users, items.shape[1], dtype=torch.float64)
    for user in range(data.users):
        liked = data.train.items[data.train.indptr[user] : data.train.indptr[user + 1]]
        known = [items[item] for item in liked if data.item_text[item].any()]
        if known:
            users[user] = sum(known) / len(known)
    return torch.cat([users, items])


def literal_propagated(x, data, layers):
    nodes = data.users + data.items
    edges = torch.zeros(nodes, nodes, dtype=torch.float64)
    for user, item in zip(*data.train.pairs(), strict=True):
        edges[user, data.users + item] = edges[data.users + item, user] = 1
    degree = edges.sum(1).clamp(min=1)
    matrix = edges / (degree[:, None] * degree[None, :]).sqrt()
    found, last = x, x
    for _ in range(layers):
        last = matrix @ last
        found = found + last
    return found / (layers + 1)


def literal_layer_0(name, model, data):
    values, nodes = parameters(model), literal_text(data)
    rows = []
    for node, x in enumerate(nodes):
        side = int(node >= data.users)
        row = torch.zeros(6, dtype=torch.float64) if name == "alpharec" else values["table"][node]
        if name == "id_text" and x.any() and (side or data.user_text is not None):
            row = row + literal_mlp(x, values, "of_items." if side else "of_users.")
        if name == "alpharec" and x.any():
            row = literal_mlp(x, values, "mlp.")
        if name == "kar" and x.any():
            experts = [f"shared.{k}." for k in range(2)] + [f"sides.{side}.own.{k}." for k in range(3)]
            gate = torch.exp(values[f"sides.{side}.gate.weight"] @ x + values[f"sides.{side}.gate.bias"])
            row = row + sum(
                g / gate.sum() * literal_mlp(x, values, expert) for g, expert in zip(gate, experts, strict=True)
            )
        rows.append(row)
    return torch.stack(rows)


def cosine(a, b):
    return a @ b / a.norm() / b.norm()


def literal_info_nce(queries, targets, temperature=0.2):
    total = 0
    for own, query in enumerate(queries):
        near = [torch.exp(cosine(query, target) / temperature) for target in targets]
        total = total - torch.log(near[own] / sum(near))
    return total / len(queries)


@pytest.mark.parametrize("layers", [0, 2])
@pytest.mark.parametrize("own_text", [False, True])
@pytest.mark.parametrize("name", ALL)
def test_final_embeddings_are_those_of_the_formula(full, profiled, name, layers, own_text):
    data = profiled if own_text else full
    model = trainer_of(data, name, layers=layers).model.eval()
    final = literal_propagated(literal_layer_0(name, model, data), data, layers)
    torch.testing.assert_close(model().double(), final, atol=1e-5, rtol=0)
    assert torch.equal(model(), model())
    if (hops := model.hops()) is not None:
        torch.testing.assert_close(hops.mean(1).double(), final, atol=1e-5, rtol=0)


@pytest.mark.parametrize("own_text", [False, True])
def test_rlmrec_con_contrasts_users_positives_and_uniform_items_with_their_text(full, profiled, own_text):
    data = profiled if own_text else full
    trainer = trainer_of(data, "rlmrec_con")
    model, batch = trainer.model, batch_of(data, [3, 4, 5, 90, 200, 201])
    state = model.noise.get_state()
    found = model.auxiliary(model(), batch)
    model.noise.set_state(state)
    uniform = torch.randint(data.items, (6,), generator=model.noise)
    final, nodes, values = model().detach().double(), literal_text(data), parameters(model)
    expected = 0
    for side in (batch.users, data.users + batch.items, data.users + uniform):
        known = [node for node in sorted(set(side.tolist())) if nodes[node].any()]
        expected = expected + literal_info_nce(final[known], [literal_mlp(nodes[k], values, "mlp.") for k in known])
    assert found.item() == pytest.approx(0.3 * expected.item(), abs=1e-5)


def test_rlmrec_con_counts_a_user_of_many_pairs_once(full):
    model = trainer_of(full, "rlmrec_con").model
    edges = list(range(12))
    users, items = (torch.from_numpy(column[edges].astype(np.int64)) for column in full.train.pairs())
    owners, row = torch.unique(users, return_inverse=True)
    state, found = model.noise.get_state(), []
    for batch in (Batch(users, items, torch.tensor(edges)), UserBatch(users, items, torch.tensor(edges), owners, row)):
        model.noise.set_state(state)
        found.append(model.auxiliary(model(), batch))
    assert torch.equal(*found)


def test_rlmrec_gen_masks_a_share_of_nodes_and_finds_their_text_again(full):
    model, batch = trainer_of(full, "rlmrec_gen").model, batch_of(full, [0, 1])
    with torch.no_grad():
        model.token.fill_(0.4)
    model.train()
    final = model()
    masked, nodes, values = model.masked.tolist(), literal_text(full), parameters(model)
    assert len(set(masked)) == int(0.2 * (full.users + full.items))
    layer_0 = values["table"].clone()
    layer_0[masked] = 0.4
    expected_final = literal_propagated(layer_0, full, 2)
    torch.testing.assert_close(final.double(), expected_final, atol=1e-5, rtol=0)
    known = [node for node in masked if nodes[node].any()]
    again = [literal_mlp(expected_final[node], values, "mlp.") for node in known]
    expected = literal_info_nce(again, nodes[known])
    assert model.auxiliary(final, batch).item() == pytest.approx(0.3 * expected.item(), abs=1e-5)
    assert not torch.equal(model(), final)
    assert model.masked.tolist() != masked


def test_rlmrec_gen_starts_with_gradients_of_a_normal_size_where_masked_nodes_have_no_edge(full):
    users, items = full.train.pairs()
    linked = items < full.items // 2
    train = Positives.from_pairs(users[linked], items[linked], full.users)
    lonely = replace(full, train=train, validation=None, test=None)
    trainer = trainer_of(lonely, "rlmrec_gen", loss="softmax")
    model, batch = trainer.model.train(), next(trainer._batches())
    final = model()
    of_items = functional.normalize(final[lonely.users :], dim=1)
    (of_items.sum() + model.auxiliary(final, batch)).backward()
    assert (model.masked >= lonely.users + lonely.items // 2).any()
    assert max(float(value.grad.abs().max()) for value in model.parameters()) < 1e3


def test_rlmrec_gen_contrasts_up_to_a_batch_of_masked_nodes(full):
    model = trainer_of(full, "rlmrec_gen", batch_size=5).model.train()
    final, nodes, values = model(), literal_text(full), parameters(model)
    known = [node for node in model.masked.tolist() if nodes[node].any()][:5]
    again = [literal_mlp(final[node].detach().double(), values, "mlp.") for node in known]
    expected = 0.3 * literal_info_nce(again, nodes[known]).item()
    assert model.auxiliary(final, batch_of(full, [0])).item() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("loss", "cosines", "temperature"),
    [("bpr", False, 1.0), ("hinge", False, 1.0), ("softmax", True, 0.2), ("sfcml", True, 1.0)],
)
def test_llmrec_adds_bpr_of_the_triples_that_lose_least(full, loss, cosines, temperature):
    trainer = trainer_of(full, "llmrec", loss=loss, reg=0.02)
    model, batch = trainer.model, batch_of(full, list(range(40)))
    state = model.noise.get_state()
    found = model.auxiliary(model(), batch)
    model.noise.set_state(state)
    drawn = model.triples[torch.randint(len(model.triples), (20,), generator=model.noise)].tolist()
    final, table = model().detach().double(), parameters(model)["table"]
    losses = []
    for user, preferred, rejected in drawn:
        rows = [final[node] for node in (user, full.users + preferred, full.users + rejected)]
        scores = [cosine(rows[0], row) if cosines else rows[0] @ row for row in rows[1:]]
        lost = -torch.log(torch.sigmoid((scores[0] - scores[1]) / temperature))
        squares = sum(table[node].square().sum() for node in (user, full.users + preferred, full.users + rejected))
        losses.append((lost.item(), 0.02 * squares.item() / 2))
    kept = sorted(losses)[:12]
    assert found.item() == pytest.approx(sum(map(sum, kept)) / 40, abs=1e-5)


@pytest.mark.parametrize(("prune", "n", "kept"), [(0.71, 100, 29), (0.0, 7, 7), (0.5, 9, 4), (0.9, 3, 1)])
def test_llmrec_prunes_exactly_the_highest_losses(full, prune, n, kept):
    trainer = Trainer(full, CFConfig(model="llmrec", text={"prune": prune}, **SMALL), 0)
    losses = torch.randperm(n, generator=torch.Generator().manual_seed(n)).float()
    assert sorted(losses[trainer.model._kept(losses)].tolist()) == list(range(kept))


def test_llmrec_leaves_out_and_counts_triples_that_contradict_training():
    train = Positives.from_pairs([0, 0, 1], [0, 1, 2], 2)
    triples = np.array([[0, 3, 1], [0, 3, 2], [1, 2, 2], [1, 0, 3]])
    model = Trainer(CFData(2, 4, train, triples=triples), CFConfig(model="llmrec", **SMALL), 0).model
    assert model.triples.tolist() == [[0, 3, 2], [1, 0, 3]]
    assert model.dropped == 2
    with pytest.raises(InputError, match="each of the 2 triples"):
        Trainer(CFData(2, 4, train, triples=triples[[0, 2]]), CFConfig(model="llmrec", **SMALL), 0)


@pytest.mark.parametrize("loss", ["bpr", "softmax"])
@pytest.mark.parametrize("name", ALL)
def test_gradients_reach_every_parameter(profiled, name, loss):
    trainer = trainer_of(profiled, name, loss=loss)
    trainer.model.train()
    before = {key: value.clone() for key, value in trainer.model.named_parameters()}
    trainer._step(next(iter(trainer._batches())))
    for key, parameter in trainer.model.named_parameters():
        assert parameter.grad is not None, key
        assert bool(parameter.grad.any()), key
        assert not torch.equal(parameter, before[key]), key


@pytest.mark.parametrize(
    "method",
    [
        {"sampler": "dns"},
        {"sampler": "dns_mn"},
        {"loss": "hinge"},
        {"loss": "sfcml"},
        {"loss": "sampled_softmax"},
        {"loss": "sampled_softmax", "sampler": "in_batch"},
        {"optimiser": "adagrad", "precision": "bfloat16"},
    ],
)
@pytest.mark.parametrize("name", ALL)
def test_they_train_by_every_loss_and_sampler(full, name, method):
    trainer = trainer_of(full, name, **method)
    losses = [trainer.run_epoch().loss for _ in range(3)]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("name", ALL)
def test_resuming_is_equal_bit_for_bit(full, name):
    straight = trainer_of(full, name)
    losses = [straight.run_epoch().loss for _ in range(4)]
    first = trainer_of(full, name)
    for _ in range(2):
        first.run_epoch()
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    resumed = trainer_of(full, name, seed=77)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    assert [resumed.run_epoch().loss for _ in range(2)] == losses[2:]
    assert torch.equal(resumed.scorer().item_embeddings, straight.scorer().item_embeddings)


@pytest.mark.parametrize("name", ALL)
def test_a_seed_repeats_and_held_out_rows_change_nothing(full, name):
    blind = replace(full, validation=None, test=None)
    runs = [trainer_of(data, name, seed=seed) for data, seed in ((full, 1), (blind, 1), (full, 2))]
    losses = [run.run_epoch().loss for run in runs]
    assert losses[0] == losses[1] != losses[2]
    assert torch.equal(runs[0].scorer().user_embeddings, runs[1].scorer().user_embeddings)


@pytest.mark.parametrize("name", ALL)
def test_no_step_is_written_out_as_if_they_were_linear(full, name):
    written_out, reference = (trainer_of(full, name, gradients=gradients) for gradients in ("closed", "autograd"))
    assert written_out.run_epoch().loss == reference.run_epoch().loss
    assert torch.equal(written_out.scorer().item_embeddings, reference.scorer().item_embeddings)


@pytest.mark.parametrize(("name", "off"), [("rlmrec_con", {"weight": 0}), ("llmrec", {"triples": 0})])
def test_without_their_term_they_are_lightgcn(full, name, off):
    with_term_off, plain = (Trainer(full, CFConfig(model=model, text=off, **SMALL), 3) for model in (name, "lightgcn"))
    assert with_term_off.run_epoch().loss == plain.run_epoch().loss
    assert torch.equal(with_term_off.model.table, plain.model.table)


def test_alpharec_has_no_table_to_regularise(full):
    model = trainer_of(full, "alpharec").model
    assert model.regularised() is None
    assert all(name.startswith("mlp.") for name, _ in model.named_parameters())


@pytest.mark.parametrize(
    ("name", "values"),
    [("alpharec", {"loss": "sampled_softmax", "softmax": {"negatives": 20}}), ("id_text", {}), ("kar", {})],
)
def test_real_text_ranks_better_than_shuffled_text(make_planted, make_texted, name, values):
    data = make_texted(make_planted(users=80, items=200, per_user=8), t=16)
    found = []
    for given in (data, replace(data, item_text=shuffled_text(data, 0))):
        config = CFConfig(model=name, text={"hidden": (16,)}, **{**SMALL, "dim": 16}, **values)
        trainer = Trainer(given, config, 0)
        for _ in range(8):
            trainer.run_epoch()
        found.append(trainer.evaluate("test").means["ndcg@20"])
    assert found[0] > 1.3 * found[1]


@pytest.mark.parametrize("name", READ_TEXT)
def test_missing_text_is_an_error_that_names_the_remedy(data, texted, name):
    for without in (data, replace(data, item_text=np.zeros((data.items, 4), np.float32))):
        with pytest.raises(InputError, match=r"item.* text vectors and the data has none; embed the items or choose"):
            trainer_of(without, name)
    short = replace(texted, user_text=np.ones((data.users, 3), np.float32))
    with pytest.raises(InputError, match="user_text has vectors of length 3 and item_text of 10"):
        trainer_of(short, name)


def test_missing_triples_are_an_error_that_names_the_remedy(data):
    for triples in (None, np.zeros((0, 3), np.int64)):
        with pytest.raises(InputError, match="augmented triples and the data has none; give them or use lightgcn"):
            trainer_of(replace(data, triples=triples), "llmrec")


def test_samplers_that_mix_layers_are_refused_where_no_layer_is_left_to_mix(full):
    for name in ("alpharec", "rlmrec_gen"):
        with pytest.raises(InputError, match="mixes layers"):
            trainer_of(full, name, sampler="mixgcf")


def test_a_users_text_is_the_mean_over_training_items_that_have_one():
    text = np.array([[1, 2], [0, 0], [5, 0], [7, 8]], np.float32)
    train = Positives.from_pairs([0, 0, 0, 1], [0, 1, 2, 1], 3)
    held_out = Positives.from_pairs([0, 1, 2], [3, 3, 3], 3)
    data = CFData(3, 4, train, validation=held_out, item_text=text)
    assert user_text(data).tolist() == [[3, 1], [0, 0], [0, 0]]
    own = np.ones((3, 2), np.float32)
    assert np.array_equal(user_text(replace(data, user_text=own)), own)
    nodes = node_text(data)
    assert nodes.present.tolist() == [True, False, False, True, False, True, True]
    torch.testing.assert_close(nodes.vectors[0], (nodes.vectors[3] + nodes.vectors[5]) / 2)


def test_text_is_centred_and_scaled_and_its_absence_stays_zero(full):
    before = full.item_text.copy()
    items = item_text(full)
    known = items.vectors[items.present]
    assert (~items.present).nonzero().squeeze(1).tolist() == [2, 5, 44]
    assert not items.vectors[~items.present].any()
    torch.testing.assert_close(known.mean(0), torch.zeros(10), atol=1e-5, rtol=0)
    assert known.square().mean().item() == pytest.approx(1, abs=1e-5)
    assert np.array_equal(full.item_text, before)


def test_many_rows_are_computed_in_blocks_with_the_same_gradient(full, monkeypatch):
    nodes, module = node_text(full), text_mlp(10, (7,), 5, torch.Generator().manual_seed(0), deviation=0.1)
    found = []
    for size in (text.ROWS_PER_BLOCK, 30):
        monkeypatch.setattr(text, "ROWS_PER_BLOCK", size)
        module.zero_grad()
        out = nodes.of(module)
        out.square().sum().backward()
        found.append([out.detach(), *(parameter.grad.clone() for parameter in module.parameters())])
    torch.testing.assert_close(*found, atol=1e-4, rtol=1e-5)


def test_a_start_leaves_the_process_wide_random_stream_alone(full):
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    for name in ALL:
        trainer_of(full, name).run_epoch()
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("sampler", ["rns", "mixgcf", "dins"])
@pytest.mark.parametrize("name", ["id_text", "kar"])
def test_l2_takes_the_table_and_not_the_text_whatever_the_sampler(full, name, sampler):
    found = []
    for reg in (0.0, 5.0):
        trainer = trainer_of(full, name, sampler=sampler, reg=reg, optimiser="adagrad")
        trainer.steps.step(next(trainer._batches()))
        found.append({key: value.grad for key, value in trainer.model.named_parameters()})
    without, decayed = found
    assert {key for key in without if not torch.equal(without[key], decayed[key])} == {"table"}
