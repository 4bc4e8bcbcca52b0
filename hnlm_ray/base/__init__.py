"""Errors, texts, hashes, progress, pacing: what everything rests on, and what rests on nothing of ours."""
