"""Full ranking, metrics, figures of the catalogue, slices of users and items."""
