"""The ordered stages: declared, fingerprinted, compared, run, retried."""
