"""The experiments: networks, real data, short trainings, and the stories told with them.

Nothing is imported here: the list of experiments needs no torch, whose import takes seconds.
"""
