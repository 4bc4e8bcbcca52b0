"""Prompts in and answers out."""
