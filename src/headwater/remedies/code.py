"""Plain PyTorch as text: how it names modules, and how it is run."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import pairwise

from torch import nn

from headwater.records import Code
from headwater.remedies.remedy import Training

_WIDTH = 100


def run(code: Code, training: Training) -> None:
    """Runs the lines on live objects, as they would run around the statement that builds the optimizer.

    A remedy that runs what it shows cannot do one thing and say another.
    """
    text = "\n".join((*code.imports, code.before, code.after))
    text = text.replace("{model}", "model").replace("{optimizer}", "optimizer")
    exec(compile(text, "<remedy>", "exec"), {"model": training.model, "optimizer": training.optimizer})


def joined(first: Code, second: Code) -> Code:
    """Returns the lines of both, in this order."""
    before, after = (
        "\n".join(part for part in parts if part)
        for parts in ((first.before, second.before), (first.after, second.after))
    )
    return Code(before, after, tuple(dict.fromkeys((*first.imports, *second.imports))))


def picked(modules: Mapping[str, nn.Module], names: Collection[str], variable: str) -> str:
    """Writes a condition on ``name`` and on `variable` that holds for some of the modules.

    By class where that tells them apart or leaves fewer names to list, so that it holds for a deeper network too; else
    by name.

    Args:
        modules: all that are asked about, by path.
        names: of those for which it holds.
        variable: what the module is called.
    """
    by_name = _compared(list(names), "==", "in")
    classes = {type(modules[name]) for name in names}
    if any(getattr(nn, each.__name__, None) is not each for each in classes):
        return by_name
    others = [name for name, module in modules.items() if isinstance(module, tuple(classes)) and name not in names]
    written = ", ".join(sorted(f"torch.nn.{each.__name__}" for each in classes))
    by_class = f"isinstance({variable}, {written if len(classes) == 1 else f'({written})'})"
    if others:
        by_class += f" and {_compared(others, '!=', 'not in')}"
    return by_class if len(others) < len(names) else by_name


def numbers(found: Sequence[int]) -> str:
    """Writes whole numbers: ``range(2, 60, 2)`` where they are evenly spaced, else one by one."""
    steps = {after - before for before, after in pairwise(found)}
    if len(steps) == 1 and len(found) > 2:
        step = steps.pop()
        return f"range({found[0]}, {found[-1] + 1}{f', {step}' if step != 1 else ''})"
    return f"({_wrapped(str(each) for each in found)}{',' * (len(found) == 1)})"


def _compared(names: list[str], one: str, several: str) -> str:
    """``name == "0"``; longer lists are broken, which Python allows inside of brackets."""
    quoted = [json.dumps(name) for name in names]
    return f"name {one} {quoted[0]}" if len(names) == 1 else f"name {several} ({_wrapped(quoted)})"


def _wrapped(items: Iterable[str]) -> str:
    """Separated by commas, on as many lines as it takes."""
    lines = [""]
    for item in items:
        if len(lines[-1]) + len(item) > _WIDTH:
            lines.append(8 * " ")
        lines[-1] += f"{item}, "
    return "\n".join(line.rstrip() for line in lines).rstrip(",")
