"""The front end's modules as one script, for a page that stands alone: a module inside a page cannot import another.

The modules keep to a plain form: ``import { a, b as c } from "./file.js";`` at the top, and ``export`` before
``function``, ``async function``, ``const`` or ``class``. A browser runs them as they are; here each becomes a function
that returns what it exports.
"""

from __future__ import annotations

import posixpath
import re
from functools import cache

from headwater.report.page.assets import asset

_IMPORT = re.compile(r'^import \{([^}]*)\} from "([^"]+)";$', re.MULTILINE)
_EXPORT = re.compile(r"^export ((?:async )?function|const|class) (\w+)", re.MULTILINE)


@cache
def bundled(entry: str) -> str:
    """Returns one script that does what the module `entry` does."""
    order: list[str] = []
    _visit(entry, order)
    return '"use strict";\nconst modules = {};\n' + "\n".join(_wrapped(name) for name in order)


def _visit(name: str, order: list[str]) -> None:
    """Puts a module behind those that it imports."""
    for _, path in _IMPORT.findall(asset(name).decode()):
        needed = _resolved(name, path)
        if needed not in order:
            _visit(needed, order)
    order.append(name)


def _wrapped(name: str) -> str:
    text = asset(name).decode()

    def imported(match: re.Match[str]) -> str:
        names = re.sub(r"(\w+) as (\w+)", r"\1: \2", match[1])
        return f'const {{{names}}} = modules["{_resolved(name, match[2])}"];'

    exported = ", ".join(found for _, found in _EXPORT.findall(text))
    body = _EXPORT.sub(r"\1 \2", _IMPORT.sub(imported, text))
    return f'modules["{name}"] = (() => {{\n{body}\nreturn {{ {exported} }};\n}})();'


def _resolved(name: str, path: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), path))
