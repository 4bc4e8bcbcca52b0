"""Which column is user, item, rating, time, and which file describes items."""
