"""The detection benchmark: broken networks, their healthy twins, and what Headwater says of each."""
