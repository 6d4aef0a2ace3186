"""The files that a patch touches, as they stand after what was written into them so far."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from headwater.errors import PatchError
from headwater.graph.frames import is_users
from headwater.source.writing.diff import PatchedFile
from headwater.source.writing.document import Document, Splice, checked, read, spliced


@dataclass(frozen=True)
class Files:
    """Documents by the path under which they are known, and their texts as they were read."""

    now: dict[Path, Document] = field(default_factory=dict[Path, Document])
    old: dict[Path, str] = field(default_factory=dict[Path, str])

    def read(self, file: str) -> Document:
        """Returns a file as it stands.

        Raises:
            PatchError: it is none of the user's files, or cannot be read.
        """
        path = Path(file).resolve()
        if path in self.now:
            return self.now[path]
        if not is_users(file) or not path.is_file():
            raise PatchError(f"{file} is no file of yours" if path.is_file() else f"{file} is not in a file")
        return read(path)

    def spliced(self, document: Document, splices: Iterable[Splice]) -> Files:
        """Returns the files with one of them changed.

        Raises:
            PatchError: it would not be Python any more.
        """
        new = checked(spliced(document, splices))
        return Files({**self.now, new.path: new}, {new.path: document.text, **self.old})

    @property
    def patched(self) -> tuple[PatchedFile, ...]:
        """The files that differ from what was read."""
        changed = [each for each in self.now.values() if each.text != self.old[each.path]]
        return tuple(PatchedFile(each.path, self.old[each.path], each.text, each.encoding) for each in changed)
