"""All trainings of a process are done by one thread, whoever asks for them."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from hnlm_ray.tune.run.worker import OneThread


def test_each_caller_waits_for_its_work_and_one_daemon_does_it():
    trainer, ran = OneThread(), []

    def ask(number):
        trainer.run(lambda: ran.append((number, threading.current_thread())))
        assert number in {done for done, _ in ran}

    with ThreadPoolExecutor(4) as callers:
        list(callers.map(ask, range(20)))
    assert sorted(number for number, _ in ran) == list(range(20))
    (thread,) = {thread for _, thread in ran}
    assert thread.daemon
    assert thread is not threading.current_thread()


@pytest.mark.parametrize("raised", [SystemExit(0), ValueError("no such column")])
def test_what_the_work_raises_is_raised_where_it_was_asked_for_and_the_next_work_is_done(raised):
    def fail():
        raise raised

    trainer, ran = OneThread(), []
    with pytest.raises(type(raised)) as ended:
        trainer.run(fail)
    assert ended.value is raised
    trainer.run(lambda: ran.append(1))
    assert ran == [1]
