"""What a process keeps is found by content, and never more than is said."""

import weakref
from dataclasses import replace

import numpy as np
import pytest
import torch

from hnlm_ray.cf.data.kept import Kept, content_of
from hnlm_ray.cf.guard import Guard
from hnlm_ray.cf.guard.rule import KEPT
from hnlm_ray.cf.teacher.semantic import teacher_of
from hnlm_ray.config import CFConfig


class Thing:
    """Something that can be gone."""


def test_the_one_used_least_lately_goes_before_the_next_is_made():
    kept, alive, made = Kept(2), [], weakref.WeakSet()

    def make():
        alive.append(len(made))
        thing = Thing()
        made.add(thing)
        return thing

    first, second = (weakref.ref(kept.get(name, make)) for name in (b"a", b"b"))
    assert kept.get(b"a", make) is first()
    kept.get(b"c", make)
    assert alive == [0, 1, 1]  # when the third was made the second was gone
    assert second() is None
    assert kept.get(b"a", make) is first()


def test_content_is_settings_and_values_types_and_shapes_of_arrays():
    ones = np.ones(6, np.float32)
    same = content_of(("a", 1), [ones, None])
    assert same == content_of(("a", "1"), [ones.copy(), None])
    others = [
        *(content_of(("a", 2), [ones, None]), content_of(("a1",), [ones, None])),
        *(content_of(("a", 1), [None, ones]), content_of(("a", 1), [ones.reshape(2, 3), None])),
        *(content_of(("a", 1), [ones.astype(np.int32), None]), content_of(("a", 1), [ones * 2, None])),
    ]
    assert len({same, *others}) == 7


@pytest.fixture
def texted(make_planted, make_texted):
    return make_texted(make_planted(users=20, items=30, per_user=6))


def test_a_teacher_is_found_for_a_copy_of_its_data_and_not_for_other_text(texted):
    config = CFConfig(teacher={"kernel": 0.1})
    first = teacher_of(texted, config)
    assert teacher_of(replace(texted, item_text=texted.item_text.copy()), config) is first
    assert teacher_of(texted, config.model_copy(update={"lr": 0.5})) is first
    assert teacher_of(replace(texted, item_text=texted.item_text[::-1].copy()), config) is not first


def test_a_guard_is_found_for_a_copy_of_its_data_and_the_last_are_kept(texted):
    def beliefs(data, **settings):
        return Guard(data, CFConfig(guard=1, guard_features="text", **settings), torch.device("cpu")).beliefs

    first = beliefs(texted)
    assert beliefs(replace(texted, item_text=texted.item_text.copy())) is first
    assert beliefs(replace(texted, item_text=texted.item_text[::-1].copy())) is not first
    for number in range(KEPT):
        beliefs(texted, belief={"verdict": number + 1.5})
    assert beliefs(texted) is not first
