"""What each section says, as plain data."""
