"""What watching a training costs, beside other tools that watch trainings."""
