"""Short trainings of candidates, and the search over them."""

from headwater.trials.building import Recipe, built, made
from headwater.trials.cache import Cache
from headwater.trials.candidates import others, singles, told
from headwater.trials.counting import StepCount
from headwater.trials.engines import ENGINES, cores, executor
from headwater.trials.gather import gather
from headwater.trials.identity import identity
from headwater.trials.judged import judged
from headwater.trials.objects import HELD_OUT, ObjectsWorkload
from headwater.trials.searching import Progress, SoFar, search
from headwater.trials.stream import materialised
from headwater.trials.workload import Screening, Trial, Workload

__all__ = [
    "ENGINES",
    "HELD_OUT",
    "Cache",
    "ObjectsWorkload",
    "Progress",
    "Recipe",
    "Screening",
    "SoFar",
    "StepCount",
    "Trial",
    "Workload",
    "built",
    "cores",
    "executor",
    "gather",
    "identity",
    "judged",
    "made",
    "materialised",
    "others",
    "search",
    "singles",
    "told",
]
