"""Results on disk, so that a search that was interrupted goes on where it was."""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import msgspec

from headwater.errors import StoreError
from headwater.records import TrialResult
from headwater.trials.workload import DIED, Trial


@dataclass(frozen=True)
class Cache:
    """Results in a folder, each under the hash of what decides it.

    Attributes:
        folder: is made when it is first written to.
        workload: says what is trained, to the last byte that matters (source, arguments, versions); results of another
            one are not found.
    """

    folder: Path
    workload: str

    def get(self, trial: Trial) -> TrialResult | None:
        """Returns the result of a trial that was done before; ``None`` where there is none, or it is damaged."""
        try:
            return msgspec.msgpack.decode(self._path(trial).read_bytes(), type=TrialResult)
        except (FileNotFoundError, msgspec.MsgspecError):
            return None

    def put(self, trial: Trial, result: TrialResult) -> None:
        """Keeps a result, unless its process died or the original failed: another time either may not.

        Whoever is interrupted meanwhile leaves no half of it.

        Raises:
            StoreError: nothing can be written there.
        """
        if result.error is not None and (result.error.startswith(DIED) or not result.remedies):
            return
        path = self._path(trial)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
                file.write(msgspec.msgpack.encode(result))
            os.replace(file.name, path)
        except OSError as error:
            raise StoreError(f"The result of a trial cannot be written to {path}: {error}") from error

    def _path(self, trial: Trial) -> Path:
        name = hashlib.sha256(f"{self.workload}\n{trial!r}".encode()).hexdigest()
        return self.folder / f"{name}.msgpack"
