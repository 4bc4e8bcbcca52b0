"""What a run will cost, before anything is spent: rows, tokens, time, memory and disk of each stage."""
