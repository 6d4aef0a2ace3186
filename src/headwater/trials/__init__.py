"""Short trainings of candidates, and the search over them."""
