"""Semantic negatives as text, their grounding in the catalogue, and the pool they become."""
