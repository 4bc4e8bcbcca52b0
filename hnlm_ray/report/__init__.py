"""The report of a run: one self-contained HTML file, from the published tables alone."""
