"""Real architectures, as shipped and with random weights: none of them may be called vanishing or exploding."""
