"""What `hnlm cf ...` does: the CF engine without a run or a cluster."""
