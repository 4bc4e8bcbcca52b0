"""Vectors of a server's embeddings: the right ones in the right order, or one sentence."""

import numpy as np
import pytest
from hostile_server import HostileServer, error, reply

from hnlm_ray.base.errors import InputError, StageError
from hnlm_ray.config import LLMConfig
from hnlm_ray.llm.encoder import open_encoder
from hnlm_ray.llm.models import encoder_identity


def embedded(asked, *, change=lambda data: data):
    """Answer each text "text N" with a vector in the direction of N, in reversed order."""
    data = [
        {"object": "embedding", "index": n, "embedding": [3.0 * int(text.split()[1]) + 1, 0.0, 4]}
        for n, text in enumerate(asked.body["input"])
    ]
    return reply(body={"data": change(data[::-1]), "model": "e"})


def encoder(url, **server):
    return open_encoder(LLMConfig.model_validate({"encoder": "http:e", "encoder_http": {"base_url": url, **server}}))


def encode(script, texts, **server):
    with HostileServer(script) as running:
        reading = encoder(running.url, **server)
        try:
            return reading.encode(texts), running
        finally:
            reading.close()


def test_vectors_have_unit_length_and_the_order_of_the_texts():
    vectors, server = encode(embedded, [f"text {n}" for n in range(100)])
    assert (vectors.shape, vectors.dtype) == ((100, 3), np.float32)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(vectors[:, 0] / vectors[:, 2], (3 * np.arange(100) + 1) / 4, rtol=1e-5)
    assert {asked.path for asked in server.asked} == {"/v1/embeddings"}
    assert {asked.body["model"] for asked in server.asked} == {"e"}
    assert max(len(asked.body["input"]) for asked in server.asked) == 32


def test_empty_texts_are_not_sent_and_have_no_direction():
    vectors, server = encode(embedded, ["", "text 1", " \n"], extra={"truncate": True})
    assert server.asked[0].body == {"model": "e", "input": ["text 1"], "truncate": True}
    assert not vectors[[0, 2]].any()
    assert vectors[1].any()
    assert encode(embedded, [])[0].shape[0] == 0


def test_what_passes_is_tried_again():
    acts = iter([error(503, "loading"), None])
    vectors, server = encode(lambda asked: next(acts) or embedded(asked), ["text 1"])
    assert len(server.asked) == 2
    assert vectors.any()


def first(**changes):
    return lambda data: [{**data[0], **changes}, *data[1:]]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda data: data[1:], "1 vectors came back for 2 texts"),
        (lambda data: [*data, data[0]], "3 vectors came back for 2 texts"),
        (first(index=0), "numbered otherwise"),
        (first(index="1"), "index"),
        (first(index=True), "index"),
        (first(embedding=[]), "[0, 3] numbers"),
        (first(embedding=[1.0]), "[1, 3] numbers"),
        (first(embedding=[0.0, 0, 0]), "zero or endless"),
        (first(embedding=[1e200, 1e200, 0]), "zero or endless"),
        (first(embedding=[float("nan"), 0, 0]), "embedding"),
        (first(embedding=[float("inf"), 0, 0]), "embedding"),
        (first(embedding="AAAA"), "embedding"),
        (lambda _: {}, "data"),
    ],
)
def test_vectors_that_are_none_are_refused_with_the_reason(change, told):
    with pytest.raises(StageError) as caught:
        encode(lambda asked: embedded(asked, change=change), ["text 1", "text 2"])
    assert told in str(caught.value)
    assert "model 'e'" in str(caught.value)


def test_vectors_of_another_length_than_before_are_refused():
    acts = iter([[1.0, 2.0], [1.0, 2.0, 3.0]])
    with HostileServer(lambda _: reply(body={"data": [{"index": 0, "embedding": next(acts)}]})) as server:
        reading = encoder(server.url)
        reading.encode(["a"])
        with pytest.raises(StageError, match="numbers"):
            reading.encode(["b"])
        reading.close()


@pytest.mark.parametrize(
    ("act", "kind", "told"),
    [
        (error(401, "?"), InputError, "llm.encoder_http.api_key_env"),
        (error(404, "no model e"), InputError, "no model e"),
        (error(400, "input is too long"), StageError, "HTTP 400: input is too long"),
        (error(500, "oops"), StageError, "oops"),
    ],
)
def test_a_server_that_refuses_ends_the_stage(act, kind, told):
    with pytest.raises(kind, match=told):
        encode([act], [f"text {n}" for n in range(100)], retries=0)


def test_the_engine_s_server_is_taken_without_its_fields_for_chat():
    with HostileServer(embedded) as server:
        http = {"base_url": server.url, "model": "m", "extra": {"min_p": 0.1}}
        reading = open_encoder(LLMConfig.model_validate({"encoder": "http:e", "http": http}))
        reading.encode(["text 1"])
        reading.close()
    assert server.asked[0].body == {"model": "e", "input": ["text 1"]}


def test_the_model_s_name_tells_one_encoder_from_another():
    assert encoder_identity("http:some/model") == "http:some/model"
