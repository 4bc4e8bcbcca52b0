"""Bytes to records: compression, encodings, CSV, JSON lines, Parquet, rejects."""
