"""One file a publisher: MovieLens, Amazon, Yelp, the splits of NGCF."""
