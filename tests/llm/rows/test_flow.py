"""How a stage's rows are handed to engines."""

from hypothesis import given
from hypothesis import strategies as st

from hnlm_ray.config import LLMConfig
from hnlm_ray.llm.rows.stream import Flow, flow_of


@given(st.integers(1, 512), st.integers(1, 512), st.integers(1, 64), st.integers(1, 10**7))
def test_an_engine_has_at_least_twice_the_rows_that_it_asks_for_and_hardly_more(seqs, batch_rows, engines, rows):
    flow = flow_of(LLMConfig(engine="scripted", max_num_seqs=seqs, batch_rows=batch_rows, engines=engines), rows)
    chunks = flow.tasks * flow.chunks
    wanted = max(4, -(-2 * seqs // batch_rows))
    assert wanted <= chunks < wanted + flow.chunks
    assert flow.tasks > 1
    assert flow.chunks == 1 or rows // (batch_rows * flow.chunks) >= 8 * engines


def test_few_rows_go_in_single_chunks_and_many_in_tasks_of_several():
    llm = LLMConfig(engine="scripted", max_num_seqs=64, batch_rows=4)
    assert flow_of(llm, 60) == Flow(tasks=32, chunks=1)
    assert flow_of(llm, 10_000) == Flow(tasks=2, chunks=16)


def test_what_lies_ahead_grows_with_the_engines_and_not_with_the_rows():
    few, many = (LLMConfig(engine="scripted", engines=engines) for engines in (1, 100))
    assert flow_of(few, 10**4).bytes_ahead(few) == flow_of(few, 10**9).bytes_ahead(few) == 2**24
    assert flow_of(many, 10**9).bytes_ahead(many) < 2**30
