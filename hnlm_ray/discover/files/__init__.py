"""What a file looks like: encoding, dialect, header, sampled columns."""
