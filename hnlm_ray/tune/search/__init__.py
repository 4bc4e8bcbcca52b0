"""Which trial comes next: random, TPE, the queue, checks before anything runs."""
