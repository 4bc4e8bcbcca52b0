"""Epochs, early stopping, resume, divergence, hardness, and which settings are read."""
