"""Results in files of your own: ids of the source, formats that other programs read."""
