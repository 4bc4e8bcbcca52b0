import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hnlm_ray.base.errors import SourceError
from hnlm_ray.sources.ingest import read_ahead


def threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("read-ahead")]


@given(st.lists(st.integers()), st.integers(1, 5))
def test_it_yields_what_the_iterator_yields(items, most):
    assert list(read_ahead(iter(items), most)) == items


def test_an_error_comes_after_the_items_before_it():
    def items():
        yield 1
        yield 2
        raise SourceError("the file is damaged")

    ahead = read_ahead(items())
    assert [next(ahead), next(ahead)] == [1, 2]
    with pytest.raises(SourceError, match="the file is damaged"):
        next(ahead)
    assert not threads()


def test_it_works_in_another_thread_and_no_further_than_asked():
    made, enough = [], threading.Event()

    def items():
        for number in range(100):
            made.append(threading.current_thread().name)
            if number == 3:
                enough.set()
            yield number

    ahead = read_ahead(items(), most=2)
    assert next(ahead) == 0
    assert enough.wait(10)
    ahead.close()
    assert len(made) == 4
    assert all(name.startswith("read-ahead") for name in made)
    assert not threads()
