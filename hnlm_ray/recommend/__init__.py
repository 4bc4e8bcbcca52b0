"""The model that recommends: chosen on validation, trained once more, and its lists for everybody."""
