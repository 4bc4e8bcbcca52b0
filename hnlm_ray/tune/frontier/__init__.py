"""Samplers redrawn on one trained model: false negatives against hardness."""
