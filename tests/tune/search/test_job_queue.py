"""Methods take turns, budgets stay equal, and a queue rebuilt from endings goes on where it was."""

import itertools

import pytest

from hnlm_ray.config import CFConfig
from hnlm_ray.tune.job import Ending, Job, Told
from hnlm_ray.tune.search.job_queue import ListedJobs, Searched, SearchedJobs


class Learning:
    """Suggests by what was told, so that another order of trials gives other settings."""

    def __init__(self):
        self.asked = []

    def suggest(self, trial, told):
        self.asked.append((trial, [(one.trial, one.value, one.status) for one in told]))
        best = max((one.value or 0.0 for one in told), default=0.0)
        return CFConfig(model="mf", lr=1e-3 * (1 + trial) + best / 1e3)


def search(names=("a", "b", "c"), trials=4, *, cpu_seconds=None, begun=None, learns=True):
    methods = [Searched(name, "nothing", Learning(), seed=7, most=trials, learns=learns) for name in names]
    return SearchedJobs(methods, cpu_seconds=cpu_seconds, begun=begun or {}), methods


def ended(job, status="ok", cpu_seconds=1.0):
    value = round(job.config.lr * 100 + len(job.name), 6)
    return Ending(status, value if status in {"ok", "pruned"} else None, cpu_seconds)


def drain(queue):
    done = []
    while (job := queue.next()) is not None:
        queue.end(job, ended(job))
        done.append(job)
    return done


def test_methods_take_turns_and_get_the_same_number_of_trials():
    queue, _ = search()
    parts = [job.part for job in drain(queue)]
    assert parts == [f"{name}-0-{trial}" for trial in range(4) for name in "abc"]
    assert queue.left() == (12, 0)


@pytest.mark.parametrize("killed_after", range(12))
def test_a_queue_rebuilt_from_endings_gives_the_trials_that_an_undisturbed_one_gives(killed_after):
    undisturbed = drain(search()[0])
    first, _ = search()
    done = []
    for job in itertools.islice(iter(first.next, None), killed_after):
        first.end(job, ended(job))
        done.append(job)
    first.next()  # it runs when the run is killed
    again, _ = search()
    for job in sorted(done, key=lambda job: job.part):
        again.end(job, ended(job))
    assert done + drain(again) == undisturbed


def test_a_trial_that_was_running_keeps_its_settings_whatever_is_suggested_now():
    kept = CFConfig(model="mf", lr=0.5)
    queue, methods = search(begun={"b-0-0": kept})
    assert [queue.next().config.lr for _ in range(3)] == [1e-3, 0.5, 1e-3]
    assert methods[1].suggestions.asked == []


def test_running_failed_and_pruned_trials_are_told_in_trial_order():
    queue, (method,) = search(["a"])
    first, second, third = queue.next(), queue.next(), queue.next()
    queue.end(third, Ending("pruned", 0.3, 1))
    queue.end(first, Ending("diverged", 0.9, 1))
    queue.next()
    assert method.suggestions.asked[-1] == (3, [(0, None, "diverged"), (1, None, "running"), (2, 0.3, "pruned")])
    assert isinstance(method.told[second.key["trial"]], Told)


def test_random_search_keeps_no_trial_in_memory():
    queue, methods = search(learns=False)
    drain(queue)
    assert all(method.told == {} and method.ended == 4 for method in methods)


def test_with_a_budget_of_cpu_seconds_a_cheap_method_gets_more_trials_and_none_starts_without_seconds():
    queue, methods = search(["cheap", "dear"], trials=100, cpu_seconds=10.0)
    cost = {"cheap": 1.0, "dear": 4.0}
    while (job := queue.next()) is not None:
        queue.end(job, ended(job, cpu_seconds=cost[job.name]))
    assert {method.name: method.ended for method in methods} == {"cheap": 10, "dear": 3}
    assert queue.left() == (20.0, 0.0)


def test_a_running_trial_is_told_when_its_methods_seconds_are_used_up():
    queue, _ = search(["a", "b"], cpu_seconds=5.0)
    first, other, second = queue.next(), queue.next(), queue.next()
    assert queue.spend(first, 3.0)
    assert queue.spend(other, 4.9)
    assert not queue.spend(second, 2.0)  # together they have taken 5
    assert not queue.spend(first, 3.1)
    queue.end(second, Ending("pruned", 0.1, 2.0))
    assert queue.next().name == "b"


def test_trials_are_the_most_there_are_also_with_cpu_seconds_to_spare():
    queue, _ = search(trials=2, cpu_seconds=1e9)
    assert len(drain(queue)) == 6


def test_listed_trainings_that_are_done_do_not_come_again():
    jobs = [Job({"method": "a", "seed": seed}, CFConfig(), "nothing", seed, reads_test=True) for seed in range(3)]
    queue = ListedJobs(jobs)
    queue.end(jobs[1], Ending("ok", 0.1, 1))
    assert queue.left() == (1, 2)
    assert [queue.next(), queue.next(), queue.next()] == [jobs[0], jobs[2], None]


def test_a_job_survives_its_way_to_a_worker():
    job = Job({"method": "mf-dns", "trial": 3}, CFConfig(model="mf", lr=0.1 + 0.2), "text", 9, reads_test=False)
    assert Job.from_json(job.to_json()) == job


class Nesting(Learning):
    """Notes what it is nested in."""

    inside = None

    def nest_in(self, winner):
        self.inside = winner

    def suggest(self, trial, told):
        return (self.inside or CFConfig()).model_copy(update={"alpha": 0.1 + trial / 100})


def nested(searches=1, cpu_seconds=None):
    methods = []
    for search in range(searches):
        methods.append(Searched("mixed", "nothing", Nesting(), seed=7, most=2, search=search, nests=("a", "b")))
        methods += [Searched(name, "nothing", Learning(), seed=7, most=3, search=search) for name in ("a", "b", "c")]
    return SearchedJobs(methods, cpu_seconds=cpu_seconds, begun={}), methods


def test_a_mixed_method_starts_after_what_it_nests_in_with_the_settings_of_the_best_trial_there():
    queue, (mixed, a, b, _) = nested()
    done = drain(queue)
    names = [job.name for job in done]
    assert names[:8] == [*("a", "b", "c", "a", "b", "c", "a", "b")]
    assert sorted(names[8:]) == ["c", "mixed", "mixed"]
    assert mixed.suggestions.inside == max(a.best, b.best, key=lambda best: best[0])[2]
    assert mixed.suggestions.inside.lr == max(job.config.lr for job in done if job.name in {"a", "b"})


def test_a_mixed_method_waits_for_trials_that_run_and_for_nothing_else():
    queue, _ = nested()
    running = [queue.next() for _ in range(9)]
    assert queue.next() is None
    waited = [job for job in running if job.name != "c"]
    for job in waited[:-1]:
        queue.end(job, ended(job))
    assert queue.next() is None
    queue.end(waited[-1], Ending("failed", None, 1.0))
    assert queue.next().name == "mixed"  # c still runs


@pytest.mark.parametrize("killed_after", range(12))
def test_a_rebuilt_queue_nests_in_the_same_trial(killed_after):
    undisturbed = drain(nested()[0])
    first, again = nested()[0], nested()[0]
    done = []
    for job in itertools.islice(iter(first.next, None), killed_after):
        first.end(job, ended(job))
        done.append(job)
    for job in done:
        again.end(job, ended(job))
    assert done + drain(again) == undisturbed


def test_where_all_it_nests_in_failed_a_mixed_method_starts_from_the_given_settings_and_says_so(caplog):
    queue, (mixed, *_) = nested()
    for job in [queue.next() for _ in range(9)]:
        queue.end(job, Ending("failed", None, 1.0))
    assert queue.next().name == "mixed"
    assert mixed.suggestions.inside is None
    assert "no trial of a, b finished: mixed starts from the section cf" in caplog.text


def test_searches_come_one_after_the_other_and_each_nests_in_its_own():
    queue, methods = nested(searches=2)
    done = drain(queue)
    assert [job.search for job in done] == [0] * 11 + [1] * 11
    assert queue.left() == (22, 0)
    assert {job.part for job in done} >= {"mixed-0-1", "mixed-1-1", "c-1-2"}
    assert all(method.ended == method.most for method in methods)


def test_with_seconds_a_mixed_method_starts_once_those_of_what_it_nests_in_are_used_up():
    queue, _ = nested(cpu_seconds=2.0)
    done = []
    while (job := queue.next()) is not None:
        queue.end(job, ended(job, cpu_seconds=1.0))
        done.append(job.name)
    assert done[:5] == [*("a", "b", "c", "a", "b")]
    assert sorted(done[5:]) == ["c", "mixed", "mixed"]
