"""Rows to seconds, memory, disk and money."""
