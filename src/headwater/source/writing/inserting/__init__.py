"""Code around the statement that builds the optimizer."""
