"""The attentions that a finding speaks of, and the layers that make their queries and keys."""

from __future__ import annotations

import re
from typing import cast

from torch import nn

from headwater.records import AttentionRecord
from headwater.remedies import fresh
from headwater.remedies.remedy import Training
from headwater.remedies.rewrite import is_inside

_COLLAPSED = "HW303"
_QUERY = re.compile(r"(w_?|to_|lin(ear)?_?)?(q|query|queries)(_?(proj|projection|lin|linear|layer))?", re.IGNORECASE)
_KEY = re.compile(r"(w_?|to_|lin(ear)?_?)?(k|key|keys)(_?(proj|projection|lin|linear|layer))?", re.IGNORECASE)
"""Names that the projections go by, since nothing else tells them from those of the values before a step is taken."""


def collapsed(training: Training) -> tuple[AttentionRecord, ...]:
    """Returns the attentions whose rows look at one key only, as HW303 has found them."""
    names = {name for finding in training.findings if finding.code == _COLLAPSED for name in finding.where.names}
    return tuple(each for each in training.measurement.attention if each.name in names)


def refusal(training: Training) -> str | None:
    """Says that there are none; ``None`` where there are."""
    return None if collapsed(training) else "no attention looks at one key only"


def is_library(training: Training, record: AttentionRecord) -> bool:
    """Whether PyTorch's own module computes it, whose queries and scores nobody else sees."""
    return isinstance(training.model.get_submodule(record.name), nn.MultiheadAttention)


def trained(training: Training) -> str | None:
    """Says that one of them is sharp because it has learnt to be: the weights of its queries or keys look trained.

    All its layers are asked where names do not tell which of them make queries and keys.
    """
    learnt = fresh.trained(training)
    for record in collapsed(training):
        inside = (name for name in learnt if is_inside(name, record.name))
        if learnt.intersection(projections(training, record) or inside):
            return "the weights of its queries and keys look trained: it has learnt to look at one key"
    return None


def projections(training: Training, record: AttentionRecord) -> tuple[str, str] | None:
    """Returns the paths of the linear layers that make queries and keys; ``None`` where one layer makes more."""
    module = training.model.get_submodule(record.name)
    linear = [name for name, child in module.named_children() if isinstance(child, nn.Linear)]
    found = [[name for name in linear if pattern.fullmatch(name)] for pattern in (_QUERY, _KEY)]
    if any(len(names) != 1 for names in found):
        return None
    prefix = f"{record.name}." if record.name else ""
    return cast("tuple[str, str]", tuple(prefix + names[0] for names in found))
