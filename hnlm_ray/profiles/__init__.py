"""Item and user profiles: what the LLM writes of items, and of users from their training items."""
