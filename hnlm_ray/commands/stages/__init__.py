"""Run, stage, status, follow, failures, plan."""
