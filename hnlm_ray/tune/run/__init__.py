"""Trainings on Ray Tune: sweep, worker, rows, states, stopping, board."""
