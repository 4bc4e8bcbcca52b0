"""Fine-tuning under collaborative supervision: records, the model, Ray Train with DeepSpeed, export, evaluation."""
