"""Records to typed interactions and items: ids, ratings, times, further files."""
