"""The engine's prices are found from a short sample, and tell the time of a long stage."""

import random

import pytest

from hnlm_ray.plan.measure.step_cost import Call, Load, StepCost, fit_step_cost, stage_seconds

TRUE = StepCost(step_s=0.02, request_s=0.0015, prompt_token_s=0.0004)


def decoded(cost, rows, slots, noise=0.0, seed=1):
    """Decode (tokens in, tokens out) step by step, as an engine does; returns calls and seconds."""
    draw = random.Random(seed)
    waiting, flying, calls, now = list(rows), [], [], 0.0
    while waiting or flying:
        while waiting and len(flying) < slots:
            tokens_in, tokens_out = waiting.pop(0)
            flying.append([now, tokens_in, tokens_out, tokens_out])
            now += cost.prompt_token_s * tokens_in
        now += (cost.step_s + cost.request_s * len(flying)) * (1 + noise * draw.uniform(-1, 1))
        for one in flying:
            one[3] -= 1
        for one in [one for one in flying if one[3] == 0]:
            calls.append(Call(one[0], now, one[1], one[2]))
            flying.remove(one)
    return calls, now


def rows(count, seed, out=(20, 120)):
    draw = random.Random(seed)
    return [(draw.randint(100, 300), draw.randint(*out)) for _ in range(count)]


def test_the_prices_of_a_short_sample_tell_the_time_of_a_long_stage():
    calls = [
        call
        for wave, out in enumerate(((20, 120), (40, 90), (10, 60)))
        for call in shifted(decoded(TRUE, rows(64, wave, out), 64, noise=0.2)[0], 1000 * wave)
    ]
    found = fit_step_cost(calls)
    _, true_seconds = decoded(TRUE, rows(1500, 9), 64)
    sample = rows(64, 0)
    assert stage_seconds(found, Load(1500, sample, 64)) == pytest.approx(true_seconds, rel=0.1)


def shifted(calls, by):
    return [Call(call.started + by, call.ended + by, call.tokens_in, call.tokens_out) for call in calls]


@pytest.mark.parametrize("count", [1, 10, 64, 200, 3000])
def test_a_stage_is_played_as_an_engine_would_decode_it(count):
    own = rows(count, 3)
    _, true_seconds = decoded(TRUE, own, 32)
    assert stage_seconds(TRUE, Load(count, own, 32)) == pytest.approx(true_seconds, rel=0.05)


def test_a_longer_stage_takes_longer_and_an_empty_one_no_time():
    sample = rows(30, 5)
    times = [stage_seconds(TRUE, Load(count, sample, 16)) for count in (0, 1, 16, 100, 500, 100_000)]
    assert times == sorted(times)
    assert times[0] == 0.0
    assert times[-1] == pytest.approx(times[-2] * 200, rel=0.05)


def test_prices_are_never_negative_even_of_nonsense():
    calls = [Call(0.0, 1.0, 5, 100), Call(0.5, 9.0, 900, 1), Call(0.2, 0.3, 0, 7), Call(3.0, 3.0, 1, 1)]
    assert min(vars(fit_step_cost(calls)).values()) >= 0
