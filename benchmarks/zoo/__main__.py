"""Runs the zoo: `python -m benchmarks.zoo`."""

import sys

from benchmarks.zoo.run import main

if __name__ == "__main__":  # a worker process imports this file too
    sys.exit(main())
