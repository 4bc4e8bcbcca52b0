"""Show, recommend, export."""
