"""Numeric routines without a recommender in them: top k, Gram matrices, Adam, noise."""
