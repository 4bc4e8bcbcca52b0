import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hnlm_ray.base.errors import InputError
from hnlm_ray.config import SplitConfig
from hnlm_ray.prepare import split


def assign(pairs, config, seed=1, times=None, trains=None):
    users, items = (np.array(column, dtype=np.int32) for column in zip(*pairs, strict=True))
    user_keys = split.id_keys(map(str, range(users.max() + 1)), seed, "user")
    item_keys = split.id_keys(map(str, range(items.max() + 1)), seed, "item")
    keys = split.pair_keys(user_keys[users], item_keys[items])
    times = np.zeros(len(users), np.int64) if times is None else np.array(times)
    given = np.where(np.ones(len(users), dtype=bool) if trains is None else trains, split.TRAIN, split.TEST)
    return split.assign(users, items, keys, times, given.astype(np.int8), split.Rules(config))


@given(
    st.sets(st.tuples(st.integers(0, 5), st.integers(0, 20)), min_size=1),
    st.floats(0, 0.49),
    st.floats(0, 0.49),
    st.randoms(),
)
def test_random_keeps_the_shares_a_training_row_and_no_order(pairs, test, validation, random):
    config = SplitConfig(validation=validation, test=test)
    pairs = sorted(pairs)
    codes = dict(zip(pairs, assign(pairs, config).tolist(), strict=True))
    for user in {user for user, _ in pairs}:
        mine = [code for pair, code in codes.items() if pair[0] == user]
        assert mine.count(split.TRAIN) >= 1
        assert mine.count(split.TEST) == min(int(len(mine) * test + 0.5), len(mine) - 1)
    shuffled = random.sample(pairs, len(pairs))
    assert dict(zip(shuffled, assign(shuffled, config).tolist(), strict=True)) == codes


@pytest.mark.parametrize(("rows", "expected"), [(1, (1, 0, 0)), (2, (2, 0, 0)), (3, (2, 0, 1)), (10, (7, 1, 2))])
def test_users_with_few_rows(rows, expected):
    codes = assign([(0, item) for item in range(rows)], SplitConfig(validation=0.1, test=0.2)).tolist()
    assert tuple(codes.count(code) for code in (0, 1, 2)) == expected


def test_another_seed_gives_another_split():
    pairs = [(user, item) for user in range(5) for item in range(20)]
    assert not np.array_equal(assign(pairs, SplitConfig(), seed=1), assign(pairs, SplitConfig(), seed=2))


def test_leave_last_out_goes_by_time_then_item():
    pairs = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (2, 0)]
    config = SplitConfig(method="leave_last_out")
    assert assign(pairs, config, times=[9, 5, 9, 2, 1, 0]).tolist() == [1, 0, 2, 2, 0, 0]
    assert assign(pairs, SplitConfig(method="leave_last_out", validation=0), times=[9, 5, 9, 2, 1, 0]).tolist() == [
        *(0, 0, 2, 2, 0, 0)
    ]


def test_given_carves_validation_out_of_train_only():
    pairs = [(0, item) for item in range(10)] + [(1, 0), (1, 1)]
    trains = [True] * 8 + [False] * 2 + [True, False]
    codes = assign(pairs, SplitConfig(method="given", validation=0.25), trains=trains)
    assert codes[~np.array(trains)].tolist() == [split.TEST] * 3
    assert np.bincount(codes, minlength=3).tolist() == [7, 2, 3]
    untouched = assign(pairs, SplitConfig(method="given", validation=0), trains=trains)
    assert np.bincount(untouched, minlength=3).tolist() == [9, 0, 3]


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 3), st.sampled_from([0, 1, 2, 2**40, 2**63 - 1])), max_size=30
    ),
    st.sampled_from([np.uint64, np.int64]),
    st.integers(0, 31),
)
def test_places_are_those_of_a_sort_by_three_keys(rows, kind, bits):
    users, items, keys = np.array(rows, np.int64).reshape(-1, 3).T
    users, keys = (users * (2**bits // 4)).astype(np.int32), keys.astype(kind)
    keys = -keys if kind is np.int64 else keys * np.uint64(2)
    expected = np.lexsort((items, keys, users))
    found = split._sorted_places(users, items, keys)
    for column in (users, items, keys):
        assert column[found].tolist() == column[expected].tolist()


def test_keys_are_the_same_everywhere():
    assert split.id_keys(["1", "é"], 42, "user").tolist() == split.id_keys(iter(["1", "é"]), 42, "user").tolist()
    keys = split.id_keys(["1"], 42, "user"), split.id_keys(["1"], 42, "item")
    assert keys[0] != keys[1]
    assert split.pair_keys(*keys).tolist() == [1116669486911359280]


@pytest.mark.parametrize(
    ("config", "validation", "test", "told"),
    [
        ({}, 0, 3, "no positive is left for validation: each of the 3 users has too few.*validation 0.1, test 0.2"),
        ({}, 0, 0, "no positive is left for validation and test"),
        ({"method": "leave_last_out"}, 0, 3, "for validation.*method leave_last_out"),
        ({"method": "given", "validation": 0}, 0, 0, "no test row of the source is left"),
    ],
)
def test_a_split_that_was_asked_for_and_is_empty_is_told(config, validation, test, told):
    with pytest.raises(InputError, match=told):
        split.check_held_out({"users": 3, "validation": validation, "test": test}, SplitConfig(**config))


@pytest.mark.parametrize("config", [{"validation": 0}, {"validation": 0, "test": 0}, {"method": "given"}])
def test_a_split_that_was_not_asked_for_may_be_empty(config):
    asked = SplitConfig(**config)
    counts = {"users": 3, "validation": int(asked.validation > 0), "test": int(asked.test > 0)}
    split.check_held_out(counts, asked)


@given(
    st.sets(st.tuples(st.integers(0, 5), st.integers(0, 20)), min_size=1),
    st.sampled_from(["random", "leave_last_out", "given"]),
    st.floats(0.01, 1),
    st.floats(0.01, 1),
)
def test_a_share_of_the_training_rows_stays_and_no_held_out_row_changes(pairs, method, one, other):
    pairs = sorted(pairs)
    smaller, larger = sorted((one, other))
    whole, less, more = (
        assign(pairs, SplitConfig(method=method, validation=0.1, train_share=share)) for share in (1, smaller, larger)
    )
    held_out = whole != split.TRAIN
    assert np.array_equal(less[held_out], whole[held_out])
    assert set(less[~held_out].tolist()) <= {split.TRAIN, split.LEFT_OUT}
    assert not np.any((less == split.TRAIN) & (more != split.TRAIN))
    users = np.array([user for user, _ in pairs])
    for user in set(users[~held_out].tolist()):
        own = users == user
        there = int((whole[own] == split.TRAIN).sum())
        assert (less[own] == split.TRAIN).sum() == max(1, int(there * smaller + 0.5))


def cuts_of(times, **config):
    """Return the split of rows with these times, as found in blocks of three rows."""
    times = np.array(times, np.int64)
    blocks = np.array_split(times, max(1, len(times) // 3))

    def count(begin, width):
        return np.sum([split.histogram(block, begin, width) for block in blocks], axis=0)

    span = split.joined_span(map(split.span_of, blocks))
    return split.find_cuts(span, count, SplitConfig(method="time", **config)).of(times)


@given(
    st.lists(st.one_of(st.integers(-5, 5), st.integers(-(10**10), 2 * 10**11)), min_size=1, max_size=60),
    st.floats(0, 0.49),
    st.floats(0, 0.49),
)
def test_time_goes_by_exact_shares_of_all_rows_and_never_cuts_a_moment(times, validation, test):
    codes = cuts_of(times, validation=validation, test=test)
    ordered = sorted(zip(times, codes.tolist(), strict=True))
    assert [code for _, code in ordered] == sorted(codes.tolist())
    assert len(set(zip(times, codes.tolist(), strict=True))) == len(set(times))
    assert codes.tolist().count(split.TRAIN) >= 1
    if len(set(times)) == len(times):
        wanted = int(len(times) * test + 0.5)
        assert codes.tolist().count(split.TEST) == min(wanted, len(times) - 1)


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([*range(8), 8, 8], [0] * 7 + [1, 2, 2]),
        ([*range(7), 7, 8, 8, 8], [0] * 7 + [1, 2, 2, 2]),  # of eleven two are wanted, and three are nearer than none
        ([0, 1, 2, 3, 9, 9, 9, 9, 9, 9], [0, 0, 0, 0] + [0] * 6),
        ([5] * 10, [0] * 10),
    ],
)
def test_rows_of_one_time_fall_on_the_nearer_side(times, expected):
    assert cuts_of(times, validation=0.1, test=0.2).tolist() == expected


def test_days_cut_where_they_begin():
    day = 86_400
    times = [0, day - 1, day, 2 * day - 1, 2 * day, 9 * day]
    days = {"validation_from": "1970-01-02", "test_from": "1970-01-03"}
    assert cuts_of(times, **days).tolist() == [0, 0, 1, 1, 2, 2]
    by_share = cuts_of(times, test_from="1970-01-03", validation=0.17)
    assert by_share.tolist() == [0, 0, 0, 1, 2, 2]
    assert cuts_of(times, test_from="1970-01-03", validation=0).tolist() == [0, 0, 0, 0, 2, 2]


def test_given_validation_rows_validate():
    codes = np.array([split.TRAIN] * 3 + [split.VALIDATION, split.TEST], np.int8)
    users, items, keys = np.zeros(5, np.int32), np.arange(5, dtype=np.int32), np.arange(5, dtype=np.uint64)
    rules = split.Rules(SplitConfig(method="given", validation=0.5), given_validation=True)
    assert split.assign(users, items, keys, np.zeros(5, np.int64), codes, rules).tolist() == codes.tolist()
