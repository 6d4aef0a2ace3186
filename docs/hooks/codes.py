"""The page of each finding and of each remedy, written from the registries that `headwater explain` reads."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Iterable, Iterator, Sequence

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from headwater.records import REMEDIES
from headwater.remedies import Remedy, answering
from headwater.rules import RULES, Rule

SEVERITIES = ("error", "warning", "info")
FAMILIES = {
    "HW1": "The gradient over the depth",
    "HW2": "The gradient through time",
    "HW3": "Units and attention",
    "HW4": "The learning rate",
    "HW5": "Precision, optimizer and clipping",
    "HW6": "Wiring, loss, data and initialisation",
    "HW7": "Numbers",
}
_SAFETY = (
    "*Safe* changes no function that the network can compute: its start, its optimizer, a fault of the wiring. "
    "*Unsafe* changes it, by another activation or a normalisation: look at the diff. *Display-only* cannot be applied "
    "by a program, and is told only."
)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages to those that lie in the folder."""
    for path, text in pages().items():
        files.append(File.generated(config, path, content=text))
    return files


def pages() -> dict[str, str]:
    """Returns the Markdown of all pages, by path."""
    found = {"codes/index.md": _findings_index(), "remedies/index.md": _remedies_index()}
    found |= {f"codes/{known.code}.md": finding_page(known) for known in RULES}
    return found | {f"remedies/{code}.md": remedy_page(code) for code in REMEDIES}


def finding_page(known: Rule) -> str:
    """Returns the page of a finding: what `headwater explain` shows, with its severities and links."""
    title = f"{known.code} {known.name}"
    _, _, rest = known.page.strip().partition("\n")
    facts = f"Severity: {_either(severities(known))}. In a terminal: `headwater explain {known.code}`."
    named = [f"- [`{code}`](../remedies/{code}.md): {REMEDIES[code]}" for code in remedies_of(known)]
    advice = "\n".join(["## Remedies that it names", "", *named]) if named else ""
    parts = [_front(title), f"# {title}", _capital(known.summary), facts, linked(rest, known.code), advice]
    return "\n\n".join(part for part in parts if part)


def remedy_page(code: str) -> str:
    """Returns the page of a remedy, with each of its variants; those that share a text under one heading."""
    texts: dict[str, list[Remedy]] = {}
    for each in answering(code):
        texts.setdefault(each.page.strip(), []).append(each)
    named_by = [
        f"[{known.code} {known.name}](../codes/{known.code}.md)" for known in RULES if code in remedies_of(known)
    ]
    parts = [_front(code), f"# {code}", f"{_capital(REMEDIES[code])}."]
    if named_by:
        parts.append(f"Named by {', '.join(named_by)}.")
    for text, variants in texts.items():
        keys = ", ".join(f"`{each.key}` ({each.safety})" for each in variants)
        parts += [keys, linked(text, code)] if len(texts) == 1 else _section(variants, keys, linked(text, code))
    return "\n\n".join(parts)


def _section(variants: Sequence[Remedy], keys: str, text: str) -> list[str]:
    """One of several texts on a page, its headings a level lower."""
    heading = ", ".join(each.variant or each.code for each in variants)
    return [f"## {heading}", keys, re.sub(r"^## ", "### ", text, flags=re.MULTILINE)]


def severities(known: Rule) -> tuple[str, ...]:
    """Returns the severities that a finding of this rule can have, the gravest first, as its source names them."""
    words = set(_words(known))
    return tuple(each for each in SEVERITIES if each in words)


def remedies_of(known: Rule) -> tuple[str, ...]:
    """Returns the codes of remedies that a rule's source names, in that order."""
    return tuple(dict.fromkeys(word for word in _words(known) if word in REMEDIES))


def linked(text: str, own: str) -> str:
    """Returns a page whose prose links codes and remedies to their pages; code blocks stay as they are."""
    lines = [line if line.startswith("    ") else _linked_line(line, own) for line in text.splitlines()]
    return "\n".join(lines)


def _linked_line(line: str, own: str) -> str:
    def finding(match: re.Match[str]) -> str:
        code = match[0]
        return f"[{code}](../codes/{code}.md)" if code != own and code in _CODES else code

    def remedy(match: re.Match[str]) -> str:
        code = match[1].partition(":")[0]
        return f"[{match[0]}](../remedies/{code}.md)" if code != own and code in REMEDIES else match[0]

    if line.startswith("#"):
        return line
    pieces = re.split(r"(`[^`]*`)", line)
    return "".join(
        re.sub(r"`([a-z:-]+)`", remedy, piece) if piece.startswith("`") else re.sub(r"\bHW\d{3}\b", finding, piece)
        for piece in pieces
    )


def _words(known: Rule) -> Iterator[str]:
    """The strings in the source of a rule's module, its docstring apart."""
    tree = ast.parse(inspect.getsource(sys.modules[known.check.__module__]))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _findings_index() -> str:
    parts = [_front("Findings"), "# Findings", _ABOUT_FINDINGS]
    for family, heading in FAMILIES.items():
        rows = [
            (f"[{known.code}]({known.code}.md)", known.name, _either(severities(known)), known.summary)
            for known in RULES if known.code.startswith(family)
        ]  # fmt: skip
        parts += [f"## {heading}", _table(("code", "name", "severity", "what it is"), rows)]
    return "\n\n".join(parts)


_ABOUT_FINDINGS = """\
A finding names a fault, where it is, why it is there and what to do. An **error** keeps the network from learning, and
it needs both a cause (what the chain rule shows) and an effect (layers that do not learn). A **warning** is a risk, or
only a part of the network is affected. An **info** is worth knowing. Which one a fault gets depends on how strong it
is; the page of each says where the lines are drawn, and from what. Where several findings have one root, it leads."""


def _remedies_index() -> str:
    rows: list[Sequence[str]] = []
    for code, says in REMEDIES.items():
        ways = answering(code)
        variants = ", ".join(f"`{each.variant}`" for each in ways if each.variant)
        rows.append((f"[{code}]({code}.md)", says, ", ".join(dict.fromkeys(each.safety for each in ways)), variants))
    about = f"What `headwater fix` tries, and what findings advise. {_SAFETY}"
    return "\n\n".join(
        [_front("Remedies"), "# Remedies", about, _table(("remedy", "what it does", "safety", "variants"), rows)]
    )


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _front(title: str) -> str:
    return f"---\ntitle: {title}\n---"


def _either(words: Sequence[str]) -> str:
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


_CODES = {known.code for known in RULES}
