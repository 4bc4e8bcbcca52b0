"""The LLM stages' common part: engines behind one interface, prompts, answers, resume."""
