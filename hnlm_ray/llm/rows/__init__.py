"""A table's rows through engines: buckets, attempts, journal, budget, failures."""
