import numpy as np

from hnlm_ray.config import LLMConfig
from hnlm_ray.llm.encoder import open_encoder


def test_the_embedded_encoder_knows_meaning_and_does_not_depend_on_the_batch():
    encoder = open_encoder(LLMConfig(encoder="embedded"))
    texts = ["a film about space ships", "a movie set on a rocket", "a recipe for onion soup"]
    vectors = encoder.encode(texts)
    assert vectors.shape == (3, 384)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.2
    alone = np.concatenate([encoder.encode([text]) for text in texts])
    np.testing.assert_allclose(vectors, alone, atol=1e-5)


def test_trigrams_see_spelling_and_survive_an_empty_text():
    encoder = open_encoder(LLMConfig(encoder="trigrams"))
    same, near, far, empty = encoder.encode(["Star Wars", "star war", "Casablanca", ""])
    assert same @ near > 0.7 > same @ far
    assert np.isfinite(empty).all()
