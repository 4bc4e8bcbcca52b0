"""The options and the help of each command; what it does is imported when it runs."""
