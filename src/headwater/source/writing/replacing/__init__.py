"""Other calls in the place of those that a file makes."""
