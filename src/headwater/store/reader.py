"""Reads a run, whole, under way, or torn; what is missing is said and not raised."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from headwater.errors import StoreError
from headwater.records import Finding, RunInfo
from headwater.store.arrow import Table, pa, pc
from headwater.store.files import Files
from headwater.store.joined import joined as joined_over_ranks
from headwater.store.migrations import migrated
from headwater.store.segments import FOLDER, REPORTS, SCHEMA, SOURCES, decoded, valid

_MOST_SOURCE_BYTES = 16 << 20
_ODD = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What reading JSON raises that is none of ours: one of brackets in brackets in brackets, too."""


@dataclass(frozen=True)
class StoredEvent:
    """A line of ``findings.jsonl``."""

    event: str
    step: int
    time: str
    finding: Finding
    track: str = ""


@dataclass(frozen=True)
class StoredRun:
    """A run on disk.

    Attributes:
        info: what it was.
        notes: what is missing, torn or odd, in sentences; more may come as parts are read.
        orphaned: whether its process has ended without closing it.
    """

    files: Files
    info: RunInfo
    notes: list[str]
    orphaned: bool

    def table(
        self,
        columns: Sequence[str] | None = None,
        *,
        layer: str | None = None,
        track: str | None = None,
        first_step: int | None = None,
        last_step: int | None = None,
        joined: bool = False,
    ) -> Table:
        """Returns rows, rank by rank in the order of their writing: a probe's come before the figures of its step.

        Args:
            columns: names; ``None``: all (`headwater.records.KEYS`, `STATISTICS`, `FLAGS`).
            layer: only its rows; ``""`` is the whole network.
            track: only this optimizer's.
            first_step: and all from it on.
            last_step: and all up to it.
            joined: whether norms of what is sharded are joined over the ranks, see `headwater.store.joined`; then the
                order is that of time, and `rank` is empty in what was joined.
        """
        if joined and self.info.sharded:
            rows = self._joined(self.table(track=track, first_step=first_step, last_step=last_step))
            rows = rows if layer is None else rows.filter(pc.field("layer") == layer)
            return rows if columns is None else rows.select(list(columns))
        wanted = [
            condition
            for condition, given in (
                (pc.field("layer") == layer, layer),
                (pc.field("track") == track, track),
                (pc.field("step") >= first_step, first_step),
                (pc.field("step") <= last_step, last_step),
            )
            if given is not None
        ]
        where: Any = None
        for condition in wanted:
            where = condition if where is None else where & condition
        parts: list[Table] = []
        for segment in valid(self.files.names(FOLDER)):
            try:
                parts.append(decoded(self.files.read(segment.name), columns, where))
            except (StoreError, ValueError, OSError, MemoryError) as error:
                self.note(f"{segment.name} cannot be read and is left out: {_short(error)}")
        names = list(SCHEMA.names if columns is None else columns)
        empty = pa.schema([SCHEMA.field(name) for name in names]).empty_table()
        return pa.concat_tables([empty, *parts])

    def last_step(self) -> int | None:
        """The last optimizer step on disk."""
        steps = self.table(["step"])["step"]
        return pc.max(steps).as_py() if len(steps) else None

    def events(self) -> tuple[StoredEvent, ...]:
        """Findings that were raised or have healed, in order."""
        if not self.files.exists("findings.jsonl"):
            return ()
        found: list[StoredEvent] = []
        for number, line in enumerate(self.files.read("findings.jsonl").splitlines(), 1):
            try:
                found.append(msgspec.json.decode(line, type=StoredEvent))
            except _ODD as error:
                self.note(f"line {number} of findings.jsonl is torn or odd and is left out: {_short(error)}")
        return tuple(found)

    def report_text(self) -> str | None:
        """The newest diagnosis as JSON, the worst of all optimizers'; ``None`` when there is none yet."""
        if not self.files.exists("report.json"):
            return None
        return self.files.read("report.json").decode(errors="replace")

    def report_texts(self) -> tuple[str, ...]:
        """The newest diagnosis of each optimizer as JSON, in the order in which they joined; empty: none yet."""
        names = [name for name in self.files.names(REPORTS) if name.endswith(".json") and not name.startswith(".")]
        names.sort(key=lambda name: (len(name.partition("-")[0]), name))
        if names:
            return tuple(self.files.read(f"{REPORTS}/{name}").decode(errors="replace") for name in names)
        text = self.report_text()
        return () if text is None else (text,)

    def trials(self) -> dict[str, dict[str, Any]]:
        """Results of trials, by name."""
        found: dict[str, dict[str, Any]] = {}
        for name in self.files.names("trials"):
            if name.endswith(".json") and not name.startswith("."):
                try:
                    found[name.removesuffix(".json")] = msgspec.json.decode(
                        self.files.read(f"trials/{name}"), type=dict[str, Any]
                    )
                except _ODD as error:
                    self.note(f"trials/{name} cannot be read and is left out: {_short(error)}")
        return found

    def sources(self) -> dict[str, str]:
        """The user's files as they were when the training ran, by the names that reports give; empty: none was kept."""
        try:
            index = msgspec.json.decode(self.files.read(f"{SOURCES}/index.json"), type=dict[str, str])
            if odd := [file for file in index.values() if not self._is_own(file)]:
                raise StoreError(f"{odd[0][:80]!r} is none of their files")
            if sum(self.files.size(f"{SOURCES}/{file}") for file in index.values()) > _MOST_SOURCE_BYTES:
                raise StoreError("they are larger than any that Headwater keeps")
            return {name: self.files.read(f"{SOURCES}/{file}").decode(errors="replace") for name, file in index.items()}
        except (*_ODD, StoreError) as error:
            if self.files.exists(SOURCES):
                self.note(f"The source texts cannot be read: {_short(error)}")
            return {}

    def note(self, sentence: str) -> None:
        """Adds what is missing or odd, once."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    def _is_own(self, file: str) -> bool:
        """Whether a name in the index of the source texts is that of a file there, and leads nowhere else."""
        return "/" not in file and "\\" not in file and not self.files.is_link(f"{SOURCES}/{file}")

    def _joined(self, rows: Table) -> Table:
        rows, torn = joined_over_ranks(rows, self.info.sharded, self.info.world_size)
        if torn:
            self.note(f"{torn} steps lack the norms of some rank: for these the norms of what is sharded are left out.")
        return rows


def open_run(url: str | Path) -> StoredRun:
    """Opens a run.

    Raises:
        StoreError: there is none, or a newer Headwater wrote it.
    """
    files = Files(url)
    if not files.exists("run.json"):
        what = "it has no run.json" if files.exists() else "there is no such folder"
        raise StoreError(f"There is no run in {files.root}: {what}. Runs are the folders below runs/.")
    try:
        tree = msgspec.json.decode(files.read("run.json"), type=dict[str, Any])
        info = msgspec.convert(migrated(tree), RunInfo)
    except _ODD as error:
        raise StoreError(f"run.json in {files.root} is not what Headwater writes: {_short(error)}") from error
    notes: list[str] = []
    orphaned = info.status == "running" and not _is_alive(info)
    if orphaned:
        notes.append("The process that wrote the run has ended without closing it: the run ends where it was flushed.")
    if info.thinned > 1:
        notes.append(f"The run grew too large: of its oldest rows one step in {info.thinned} is kept.")
    return StoredRun(files, info, notes, orphaned)


def list_runs(root: str | Path) -> list[str]:
    """Names of the folders below `root` that hold a run, in order."""
    files = Files(root)
    return [name for name in files.names() if files.exists(f"{name}/run.json")]


def _is_alive(info: RunInfo) -> bool:
    """Whether the process may still run; on another machine nobody can tell."""
    if info.host != socket.gethostname() or not info.process:
        return True
    try:
        os.kill(info.process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _short(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error).splitlines()[0][:200] if str(error) else ''}"
