"""DuckDB, which is imported in this file only: one locked-down engine for each folder of runs."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from headwater.errors import MissingDependencyError, StoreError

MEMORY, THREADS = "96MB", 2
"""What the engine may take. A file that asks for more is refused, and nothing is put onto the disk instead."""
PATIENCE = 30.0
"""Seconds after which a query is given up."""
Columns = dict[str, Any]
"""numpy arrays by name, masked where they hold nothing."""

_TURN = threading.Lock()
"""One query at a time: each uses both threads, and two would need twice the memory."""


def query(folder: str, sql: str, values: Mapping[str, Any]) -> Columns:
    """Returns the columns of the answer.

    Args:
        folder: the only one whose files may be read.
        sql: the statement, in which values are named ``$name``.
        values: of these names.

    Raises:
        MissingDependencyError: DuckDB is not installed.
        StoreError: a file cannot be read, or the answer takes too much memory or time.
    """
    duckdb, engine = _duckdb(), _engine(folder)
    with _TURN:
        timer = threading.Timer(PATIENCE, engine.interrupt)
        timer.start()
        try:
            return engine.execute(sql, dict(values)).fetchnumpy()
        except (duckdb.Error, MemoryError, RuntimeError) as error:
            said = str(error).splitlines()[0][:300] if str(error) else type(error).__name__
            raise StoreError(f"The rows of the run cannot be read: {said}") from error
        finally:
            timer.cancel()


def warm(folder: str) -> None:
    """Loads the engine for a folder, which takes a tenth of a second, before anybody waits for it.

    Raises:
        MissingDependencyError: DuckDB is not installed.
    """
    query(folder, "SELECT 1", {})


def literal(path: str) -> str:
    """A path in which nothing stands for several files."""
    return re.sub(r"([*?\[])", r"[\1]", path)


@lru_cache(maxsize=8)
def _engine(folder: str) -> Any:
    """An engine in memory that reads files below one folder, and never anything else, whatever it is asked."""
    engine = _duckdb().connect(
        ":memory:",
        config={
            "threads": THREADS,
            "memory_limit": MEMORY,
            "temp_directory": "",
            "preserve_insertion_order": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        },
    )
    quoted = folder.replace("'", "''")
    engine.execute(f"SET allowed_directories = ['{quoted}']")
    engine.execute("SET enable_external_access = false")
    engine.execute("SET lock_configuration = true")
    return engine


def _duckdb() -> Any:
    try:
        import duckdb
    except ImportError as error:
        raise MissingDependencyError(
            "Pictures of a run's rows need DuckDB, which is not installed: pip install 'headwater[ui]'"
        ) from error
    return duckdb
