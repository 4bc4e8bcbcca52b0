"""What the trained LLM is worth beside baselines, with intervals by user."""
