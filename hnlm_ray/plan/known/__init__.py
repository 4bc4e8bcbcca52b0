"""Rates and answers from measurements, earlier runs, or assumptions."""
