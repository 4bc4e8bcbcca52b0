"""The CF teacher: its space of users and items, and the hard negatives mined in it."""
