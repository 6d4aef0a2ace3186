"""Records as JSON, also where a text is none.

Python holds the name of a file that is no Unicode in halves of letters (PEP 383), which neither JSON nor a file takes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import msgspec


def as_json(document: Any, hook: Callable[[Any], Any] | None = None) -> bytes:
    """Returns a document as JSON.

    Args:
        document: records, or plain data.
        hook: makes plain data of what msgspec does not know.
    """
    try:
        return msgspec.json.encode(document, enc_hook=hook)
    except UnicodeEncodeError:
        return msgspec.json.encode(_in_unicode(msgspec.to_builtins(document, enc_hook=hook)))


def in_unicode(text: str) -> str:
    """The text with a question mark for each half of a letter."""
    return text if text.isascii() else text.encode(errors="replace").decode()


def _in_unicode(tree: Any) -> Any:
    if isinstance(tree, str):
        return in_unicode(tree)
    if isinstance(tree, dict):
        return {_in_unicode(key): _in_unicode(each) for key, each in cast(dict[Any, Any], tree).items()}
    if isinstance(tree, list | tuple):
        return [_in_unicode(each) for each in cast(list[Any], tree)]
    return tree
