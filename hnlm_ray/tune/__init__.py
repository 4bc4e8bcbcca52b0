"""The comparison: search spaces, trials, significance and the leaderboard."""
