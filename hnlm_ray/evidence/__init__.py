"""What the LLM says of hard candidates on which the false-negative model is not sure."""
