"""What the collaborative-filtering benchmarks share: data, the peers' environments and processes, reports."""
