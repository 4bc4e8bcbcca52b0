import pytest
import torch

from hnlm_ray.cf import Trainer
from hnlm_ray.cf.graph.propagation import Adjacency, propagate
from hnlm_ray.config import CFConfig

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]


def test_propagation_and_its_gradient_equal_the_cpus(data):
    found = []
    for device in ("cpu", "cuda"):
        x = torch.randn(data.users + data.items, 8, generator=torch.Generator().manual_seed(0)).to(device)
        x.requires_grad_()
        out = propagate(x, Adjacency(data.train, data.items, device), 3)
        out.square().sum().backward()
        found.append((out.detach().cpu(), x.grad.cpu()))
    torch.testing.assert_close(found[1], found[0], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("sampler", ["rns", "pns", "dns", "pool"])
def test_it_learns_and_resumes(pooled, sampler):
    config = CFConfig(sampler=sampler, dim=16, lr=0.02, batch_size=256)
    trainer = Trainer(pooled, config, 0, device="cuda")
    before = trainer.evaluate("test").means["ndcg@20"]
    losses = [trainer.run_epoch().loss for _ in range(25)]
    resumed = Trainer(pooled, config, 1, device="cuda")
    resumed.load_state_dict(trainer.state_dict())
    assert losses[-1] < losses[0]
    assert resumed.evaluate("test").means["ndcg@20"] > 1.3 * before


@pytest.mark.parametrize("training", ["joint", "adversarial"])
def test_vectors_guard_and_graph_learn_and_resume(make_vectored, texted, training):
    data = make_vectored(texted)
    method = {"sampler": "vectors", "base_sampler": "dns", "adapter_training": training, "alignment": 0.1}
    config = CFConfig(guard=0.5, graph=0.3, adapter_attention=True, dim=16, lr=0.02, batch_size=256, **method)
    trainer = Trainer(data, config, 0, device="cuda")
    losses = [trainer.run_epoch().loss for _ in range(10)]
    resumed = Trainer(data, config, 1, device="cuda")
    resumed.load_state_dict(trainer.state_dict())
    assert losses[-1] < losses[0]
    assert resumed.adapted.shift == trainer.adapted.shift > 0.01
    assert resumed.evaluate("test").means == trainer.evaluate("test").means
