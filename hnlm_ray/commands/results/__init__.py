"""Results, report, study, fine-tuning evaluation."""
