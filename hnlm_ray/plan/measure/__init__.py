"""Short real measurements of engines, trainings and the fine-tuning."""
