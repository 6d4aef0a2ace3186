"""The results of an experiment: its table and how it came about, as one Parquet file that anything reads."""

from __future__ import annotations

import datetime
import platform
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import msgspec

import headwater
from headwater.errors import StoreError
from headwater.store.arrow import pa, pq
from headwater.study.experiment import Experiment, Statement, Table, Value
from headwater.study.runner import Failure, Ran

_KEY = b"headwater.study"
"""Of the file's metadata that holds `Made`."""
_PACKAGES = ("torch", "numpy", "scikit-learn")


class Made(msgspec.Struct, frozen=True):
    """How results came about.

    Attributes:
        experiment: its name.
        quick, seeds: as it was asked for.
        points: how many were to be measured.
        failures: those that could not be.
        date: of the day on which the table was finished (ISO 8601).
        versions: of Headwater, Python and the packages that the numbers depend on.
    """

    experiment: str
    quick: bool
    seeds: int
    points: int
    failures: tuple[Failure, ...]
    date: str
    versions: dict[str, str]


@dataclass(frozen=True)
class Results:
    """The rows of an experiment, those that are derived among them, and how they came about."""

    made: Made
    table: Table

    @property
    def command(self) -> str:
        """The command that makes them."""
        quick = " --quick" if self.made.quick else ""
        return f"headwater study {self.made.experiment}{quick} --seeds {self.made.seeds}"


def results(experiment: Experiment[Any], ran: Ran, *, quick: bool, seeds: int) -> Results:
    """Puts together what ran, and what the experiment derives from it."""
    table = Table(ran.rows)
    if experiment.derive is not None:
        table = Table((*ran.rows, *experiment.derive(table)))
    today = datetime.date.today().isoformat()
    return Results(Made(experiment.name, quick, seeds, ran.points, ran.failures, today, _versions()), table)


def statements(experiment: Experiment[Any], found: Results) -> tuple[Statement, ...]:
    """Returns what the numbers say; nothing where there are none."""
    return tuple(experiment.says(found.table)) if len(found.table) else ()


def save(found: Results, folder: Path) -> Path:
    """Writes ``NAME.parquet`` and returns its path.

    Raises:
        StoreError: nothing can be written there.
    """
    path = folder / f"{found.made.experiment}.parquet"
    names = list(dict.fromkeys(name for row in found.table for name in row))
    columns = {name: _column(row.get(name) for row in found.table) for name in names}
    table = pa.table(columns).replace_schema_metadata({_KEY: msgspec.json.encode(found.made)})
    try:
        folder.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, path)
    except OSError as error:
        raise StoreError(f"The results cannot be written to {path}: {error}") from error
    return path


def load(path: Path) -> Results:
    """Reads what `save` wrote.

    Raises:
        StoreError: it is no such file.
    """
    try:
        table = pq.read_table(path)
        metadata: dict[bytes, bytes] = table.schema.metadata or {}
        made = msgspec.json.decode(metadata[_KEY], type=Made)
    except (OSError, KeyError, pa.ArrowInvalid, msgspec.MsgspecError) as error:
        raise StoreError(f"{path} does not hold the results of a study: run it again ({error}).") from error
    rows = [{name: value for name, value in row.items() if value is not None} for row in table.to_pylist()]
    return Results(made, Table(tuple(rows)))


def _column(values: Iterable[Value]) -> Any:
    """One type for a column: words where any value is a word, else numbers."""
    found = list(values)
    if any(isinstance(value, str) for value in found):
        return pa.array([None if value is None else str(value) for value in found], pa.string())
    if any(isinstance(value, float) for value in found):
        return pa.array([None if value is None else float(value) for value in found], pa.float64())
    return pa.array(found)


def _versions() -> dict[str, str]:
    found = {"headwater": headwater.__version__, "Python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
