"""LLM-driven semantic hard negatives for collaborative filtering, as a Ray application."""
