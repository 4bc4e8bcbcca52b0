"""Statistics of finished trials and refits: significance, leaderboard, findings, verdict."""
