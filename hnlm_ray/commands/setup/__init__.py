"""Init, doctor, models, configuration."""
