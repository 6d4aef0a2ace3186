"""The inside of a trial of a script: its own process, in which the user's script runs with remedies put into it.

Until the script has imported torch itself, nothing here does.
"""
