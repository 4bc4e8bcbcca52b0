"""Several data sets and variants in one comparison, and the paper's claims tested on it."""
