import numpy as np
import pytest
import torch

from hnlm_ray.cf.kernels.optimisers import DeferredAdam


def draws(steps, shape, each, scale, seed=0):
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        yield (
            torch.randperm(shape[0], generator=generator)[:each],
            torch.randn(each, shape[1], generator=generator) * scale,
        )


def both(start, steps, each, scale, flush_every=None):
    deferred, dense = start.clone(), start.double().clone().requires_grad_()
    ours, theirs = DeferredAdam(deferred, 1e-3), torch.optim.Adam([dense], lr=1e-3)
    for step, (rows, gradient) in enumerate(draws(steps, start.shape, each, scale)):
        ours.open(rows)
        dense.grad = torch.zeros_like(dense).index_copy(0, rows, gradient.double())
        theirs.step()
        ours.close(gradient.clone())
        if flush_every and step % flush_every == 0:
            ours.flush()
    ours.flush()
    return (deferred - dense.detach()).abs().numpy(), ours


@pytest.mark.parametrize("flush_every", [None, 7])
def test_it_is_dense_adam(flush_every):
    apart, _ = both(torch.randn(300, 6), 400, 10, 1e-2, flush_every=flush_every)
    assert apart.max() < 3e-6


def test_gradients_near_eps_differ_by_a_hundredth_of_the_rate_at_most():
    apart, _ = both(torch.randn(2000, 6), 300, 100, 1e-7)
    assert apart.max() < 3e-5
    assert np.quantile(apart, 0.99) < 3e-6


def test_a_row_that_waits_for_thousands_of_steps_has_made_all_its_moves():
    start = torch.zeros(2, 1)
    ours, theirs = start.clone(), start.double().clone().requires_grad_()
    deferred, dense = DeferredAdam(ours, 0.01), torch.optim.Adam([theirs], lr=0.01)
    for step in range(3000):
        rows = torch.tensor([0, 1] if step in {3, 2999} else [0])
        gradient = torch.ones(len(rows), 1)
        deferred.open(rows)
        deferred.close(gradient.clone())
        theirs.grad = torch.zeros_like(theirs).index_fill(0, rows, 1)
        dense.step()
    torch.testing.assert_close(ours.double(), theirs.detach(), atol=2e-3, rtol=0)
    assert abs(ours[1].item() - theirs[1].item()) < 1e-6


def test_open_gives_values_that_are_up_to_date():
    adam = DeferredAdam(torch.zeros(2, 1), 0.1)
    adam.open(torch.tensor([0]))
    adam.close(torch.ones(1, 1))
    for _ in range(5):
        adam.open(torch.tensor([1]))
        adam.close(torch.ones(1, 1))
    waiting = adam.table[0].item()
    now = adam.open(torch.tensor([0])).item()
    assert now < waiting
    adam.close(torch.zeros(1, 1))


def test_a_state_goes_on_where_it_was_taken():
    start = torch.randn(50, 3)
    _, first = both(start, 30, 5, 1e-2)
    table = first.table.clone()
    second = DeferredAdam(table, first.lr)
    second.load_state_dict(
        {name: v.clone() if isinstance(v, torch.Tensor) else v for name, v in first.state_dict().items()}
    )
    for rows, gradient in draws(20, (50, 3), 5, 1e-2, seed=9):
        for adam in (first, second):
            adam.open(rows)
            adam.close(gradient.clone())
    first.flush()
    second.flush()
    assert torch.equal(first.table, second.table)
