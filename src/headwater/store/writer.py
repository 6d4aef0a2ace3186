"""Writes a run while it happens."""

from __future__ import annotations

import datetime
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from headwater.errors import StoreError
from headwater.records import Finding, RunInfo, Status
from headwater.records.unicode import as_json
from headwater.store.arrow import Table, pa
from headwater.store.files import Files
from headwater.store.merging import FAN, JOINED, join, merge_once, sweep
from headwater.store.migrations import VERSION
from headwater.store.segments import (
    FOLDER,
    REPORTS,
    SOURCES,
    Columns,
    Segment,
    chained,
    decoded,
    encoded,
    table,
    thinned,
    valid,
)

FLUSH_ROWS, FLUSH_SECONDS = 100_000, 10.0
MAX_BYTES = 1 << 30
"""Size at which the oldest rows are thinned."""
RELIEF = 0.75
"""To which share of that they are thinned, so that it does not happen at every flush."""
HELD_ROWS = 1_000_000
"""Rows that are held in memory at most while the disk takes none; the oldest go first."""
RECENT_ROWS = 20_000
"""Rows of the newest segments that are held at most, four megabytes, to be joined without reading them again."""
_ID = re.compile(r"[A-Za-z0-9._-]+")
_NO_NAME = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST = 60
"""Letters of an optimizer's name that go into that of its file."""


class RunWriter:
    """Writes the files of one process of a run; safe to use from several threads.

    Args:
        url: the run's folder, a path or a URL; no other run may be in it.
        info: what the run is; its name and version are filled in.
        rank: of this process; only rank 0 writes ``run.json``, findings and the report.
        flush_rows, flush_seconds: whichever comes first writes a segment.
        max_bytes: of all segments of this rank together.

    Raises:
        StoreError: the folder holds a run, or nothing can be written there.
    """

    def __init__(
        self,
        url: str | Path,
        info: RunInfo,
        *,
        rank: int = 0,
        flush_rows: int = FLUSH_ROWS,
        flush_seconds: float = FLUSH_SECONDS,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self.files = Files(url)
        self.rank, self._flush_rows, self._flush_seconds, self._max = rank, flush_rows, flush_seconds, max_bytes
        self._lock, self._writing, self._joining = threading.RLock(), threading.RLock(), threading.RLock()
        self._loose: list[Columns] = []
        self._waiting: list[Table] = []
        self._held = 0
        self._recent: OrderedDict[str, Table] = OrderedDict()
        self._number = 0
        self._reports: dict[str, str] = {}
        self._sources: set[str] = set()
        self._bytes = 0
        self._last_flush = time.monotonic()
        self._failing = False
        if (rank == 0 and self.files.exists("run.json")) or self._own():
            raise StoreError(f"There is a run in {self.files.root} already. Give another folder, or delete that one.")
        self.files.make(FOLDER)
        self.info = replace(info, name=self.files.name, schema_version=VERSION, started=info.started or now())
        self._write_info()

    def append(self, columns: Columns) -> None:
        """Adds rows; they are on disk after the next flush. A failing disk is told, and the rows are kept for later.

        Raises:
            StoreError: as in `flush`. While the disk fails, it is tried at intervals of time only.
        """
        rows = len(columns["step"])
        if not rows:
            return
        with self._lock:
            self._loose.append(columns)  # one table of many, when they are written, costs a fifth and less
            self._held += rows
            late = time.monotonic() - self._last_flush >= self._flush_seconds
            due = late or (self._held >= self._flush_rows and not self._failing)
        if due:
            self.flush()

    def flush(self) -> None:
        """Writes the rows that wait as one segment.

        Raises:
            StoreError: the disk takes no more; the rows are kept, and written with the next ones.
        """
        with self._writing:  # and not the other lock: who adds rows meanwhile does not wait for the disk
            with self._lock:
                self._last_flush = time.monotonic()
                loose, self._loose = self._loose, []
                waiting, self._waiting, self._held = self._waiting, [], 0
            if loose:
                waiting.append(table(chained(loose), self.rank))
            if not waiting:
                return
            segment = Segment(self.rank, self._number + 1, self._number + 1)
            rows = pa.concat_tables(waiting)
            data = encoded(rows)
            try:
                self.files.write(segment.name, data)
            except StoreError:
                with self._lock:
                    self._waiting, self._held = [*waiting, *self._waiting], self._held + len(rows)
                    self._failing = True
                    self._drop_oldest()
                raise
            self._failing = False
            self._number += 1
            self._bytes += len(data)
            with self._lock:
                self._remember(segment, rows)
            if self._bytes > self._max:
                with self._joining:
                    self._thin()

    def merge(self) -> None:
        """Joins some of the small segments, if there are many; rows can be added meanwhile.

        Raises:
            StoreError: something cannot be read or written; all is there as before.
        """
        with self._lock:
            known = dict(self._recent)
        with self._joining:
            try:
                merge_once(self.files, self.rank, known)
            except ValueError as error:
                raise StoreError(f"A segment of {self.files.root} cannot be read: {error}") from error

    def update(self, **changes: Any) -> None:
        """Changes what is known of the run."""
        with self._lock:
            self.info = replace(self.info, **changes)
            self._write_info()

    def finding(self, event: str, step: int, time: str, finding: Finding, track: str = "") -> None:
        """Adds a finding that was raised, or has healed."""
        if self.rank == 0:
            line = {"event": event, "step": step, "time": time, "track": track, "finding": finding}
            with self._lock:
                self.files.append("findings.jsonl", as_json(line))

    @property
    def reported(self) -> frozenset[str]:
        """Names of the optimizers that have a report of their own."""
        return frozenset(self._reports)

    def report(self, text: str, track: str | None = None) -> None:
        """Replaces the newest diagnosis, as `Report.to_json` gives it.

        Args:
            text: the report.
            track: of which optimizer it is, where there are several; ``None``: the report of the run, the worst of all.
        """
        if self.rank != 0:
            return
        if track is None:
            self.files.write("report.json", text.encode())
            return
        with self._lock:
            short = _NO_NAME.sub("-", track)[:_LONGEST]
            name = self._reports.get(track, f"{REPORTS}/{len(self._reports) + 1}-{short}.json")
            self.files.make(REPORTS)
            self.files.write(name, text.encode())
            self._reports[track] = name

    def trial(self, name: str, result: Mapping[str, Any]) -> None:
        """Writes the result of one trial.

        Raises:
            StoreError: the name holds more than letters, digits, dots, dashes and underscores.
        """
        if not _ID.fullmatch(name):
            raise StoreError(f"Expected a name of letters, digits, '.', '-' and '_', got {name!r}.")
        with self._lock:
            self.files.make("trials")
            self.files.write(f"trials/{name}.json", as_json(dict(result)))

    def sources(self, texts: Mapping[str, str]) -> None:
        """Writes the user's files as they were, by name; those that were written before stay as they are."""
        if self.rank != 0:
            return
        with self._lock:
            self.files.make(SOURCES)
            names: dict[str, str] = {}
            for number, (name, text) in enumerate(texts.items(), 1):
                names[name] = f"{number}-{_NO_NAME.sub('-', name.rpartition('/')[2])[-_LONGEST:]}"
                if name not in self._sources:
                    self.files.write(f"{SOURCES}/{names[name]}", text.encode(errors="replace"))
                    self._sources.add(name)
            self.files.write(f"{SOURCES}/index.json", as_json(names))

    def close(self, status: Status = "finished", **account: Any) -> None:
        """Writes what waits, joins small segments, and says how it ended, with what else is known by then.

        Raises:
            StoreError: something could not be written; how it ended was tried to be said all the same. May be repeated.
        """
        with self._writing:
            try:
                self.flush()
                with self._joining:
                    self._compact()
            finally:
                self.update(status=status, ended=now(), **account)

    def _write_info(self) -> None:
        if self.rank == 0:
            self.files.write("run.json", msgspec.json.format(as_json(self.info), indent=2))

    def _own(self) -> list[Segment]:
        return [each for each in valid(self.files.names(FOLDER)) if each.rank == self.rank]

    def _compact(self) -> None:
        """Few large segments in place of many small ones: each is written first, what went into it deleted after."""
        groups: list[list[Segment]] = [[]]
        room = JOINED
        for part in self._own():
            size = self.files.size(part.name)
            if size > room and groups[-1]:
                groups.append([])
                room = JOINED
            groups[-1].append(part)
            room -= size
        for group in groups:
            if len(group) > 1:
                join(self.files, group, {})
        sweep(self.files, self.rank)
        self._bytes = sum(self.files.size(part.name) for part in self._own())

    def _thin(self) -> None:
        """Joins segments, then thins the oldest, and again if need be, until there is room."""
        self._compact()
        every = self.info.thinned
        while self._bytes > RELIEF * self._max and every < 1 << 20:
            every *= 2
            for part in self._own():
                before = self.files.size(part.name)
                data = encoded(thinned(decoded(self.files.read(part.name)), every))
                self.files.write(part.name, data)
                self._bytes += len(data) - before
                if self._bytes <= RELIEF * self._max:
                    break
        if every != self.info.thinned:
            self.update(thinned=every)

    def _remember(self, segment: Segment, rows: Table) -> None:
        """Keeps what was written just now, as far as it is small: it is soon joined with its neighbours."""
        self._recent[segment.name] = rows
        while len(self._recent) > FAN or sum(map(len, self._recent.values())) > RECENT_ROWS:
            self._recent.popitem(last=False)

    def _drop_oldest(self) -> None:
        while self._held > HELD_ROWS and len(self._waiting) > 1:
            self._held -= len(self._waiting.pop(0))


def free_name(root: str | Path, stem: str) -> str:
    """Returns a name for a new run under `root`: the stem, or the stem and a number when it is taken."""
    files = Files(root)
    number, name = 2, stem
    while files.exists(f"{name}/run.json"):
        name, number = f"{stem}-{number}", number + 1
    return name


def now() -> str:
    """The time, UTC, ISO 8601."""
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
