"""What a training reads: positives, pools, vectors, text, controls, batches."""
