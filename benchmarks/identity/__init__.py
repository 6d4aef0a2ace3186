"""Trains with and without `headwater.watch` and compares everything to the last bit."""
