"""One file a claim of the paper, and how claims are judged."""
