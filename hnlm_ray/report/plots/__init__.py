"""What each figure draws, as SVG."""
