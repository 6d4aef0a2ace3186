"""Runs the zoo: `python -m benchmarks.zoo`."""

import sys

from benchmarks.zoo.run import main

sys.exit(main())
