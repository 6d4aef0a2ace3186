"""The search as one page that opens offline: verdict, ranking, curves, the gradient before and after, the change."""

from __future__ import annotations

from pathlib import Path

from headwater.records import FixRecord
from headwater.records.numbers import number
from headwater.report.fix.curves import curves, draw_curves
from headwater.report.fix.diff import code_lines, diff_lines
from headwater.report.fix.profiles import draw_profiles, moments, profiles
from headwater.report.fix.words import Row, cost, outcome, ranking, sentence, untried
from headwater.report.html.document import document, resource
from headwater.report.html.findings import findings_section
from headwater.report.html.svg import NARROW, WIDE, prose, safe
from headwater.report.paths import writable
from headwater.report.words import count

_SIGNS = {"good": "✓", "risk": "!"}
_COLUMNS = ("change", "size", "steps", "level", "lower by", "p", "came out")
_SAID = {
    "original": "the original",
    "recommended": "recommended",
    "control": "a do-nothing control: other random numbers only",
    "other": "other candidates",
}
_SPREAD = "A line is the longest training, or the mean of several; a band reaches from the lowest seed to the highest."
_FOOTER = "A gradient is the Frobenius norm over a whole batch. <code>headwater fix</code> made this page."


def render(record: FixRecord) -> str:
    """Returns the page."""
    sections = (
        _ranking(record),
        _curves(record),
        _profiles(record),
        _change(record),
        findings_section(record.findings) if record.findings else "",
    )
    return document(
        title=outcome(record).headline,
        body=_header(record) + "<main>\n" + "\n".join(filter(None, sections)) + "\n</main>",
        footer=_FOOTER,
        versions=record.versions,
        style=resource("style.css") + resource("fix.css", "headwater.report.fix"),
    )


def save(record: FixRecord, path: str | Path) -> Path:
    """Writes the page and returns its path.

    Raises:
        InputError: the folder does not exist, or nothing can be written there.
    """
    path = writable(Path(path))
    path.write_text(render(record), encoding="utf-8")
    return path


def _header(record: FixRecord) -> str:
    said = outcome(record)
    facts = {
        "compared": record.measure,
        "longest training": f"{count(record.steps, 'step')}, {count(record.seeds, 'seed')}" if record.steps else "",
        "candidates": f"{len(record.candidates):,}" if record.candidates else "",
        "time": f"{number(record.seconds)} s" if record.seconds else "",
    }
    pairs = "".join(f"<div><dt>{name}</dt><dd>{safe(value)}</dd></div>" for name, value in facts.items() if value)
    return (
        f'<header><p class="brand">Headwater <span>fix</span></p><div class="verdict {said.tone}">'
        f'<span class="sign" aria-hidden="true">{_SIGNS[said.tone]}</span><div><h1>{safe(said.headline)}</h1>'
        f'<p class="message">{prose(said.message)}</p></div></div><dl class="facts">{pairs}</dl></header>\n'
    )


def _ranking(record: FixRecord) -> str:
    rows = ranking(record)
    if not rows:
        return ""
    titles = (*_COLUMNS[:3], record.measure, *_COLUMNS[4:])
    head = "".join(
        f'<th scope="col"{_words(name)}>{safe(said)}</th>' for name, said in zip(_COLUMNS, titles, strict=True)
    )
    body = "\n".join(_row(row) for row in rows)
    told = f'<p class="told">{safe(cost(record))}</p>' if cost(record) else ""
    return (
        f'<section class="tried"><h2>What was tried</h2>{told}<div class="scroll" tabindex="0"><table><thead><tr>{head}'
        f"</tr></thead><tbody>\n{body}</tbody></table></div>{_untried(record)}</section>"
    )


def _row(row: Row) -> str:
    said = (sentence(row.says), sentence(row.why))
    name = f"<code>{safe(row.name)}</code>" if row.standing else safe(row.name)
    what = name + "".join(f"<small>{prose(each)}</small>" for each in said if each)
    numbers = "".join(f"<td>{prose(each)}</td>" for each in (row.size, row.steps, row.level, row.lower_by, row.p))
    kind = (row.standing or "reference").replace(" ", "-")
    return f'<tr class="{kind}"><th scope="row">{what}</th>{numbers}<td class="words">{row.standing}</td></tr>'


def _untried(record: FixRecord) -> str:
    groups = untried(record)
    if not groups:
        return ""
    items = "".join(
        f"<li>{standing}: {', '.join(f'<code>{safe(each)}</code>' for each in names)}<small>{prose(why)}</small></li>"
        for standing, why, names in groups
    )
    amount = count(sum(len(names) for _, _, names in groups), "candidate")
    return f"<details><summary>{amount} in no race, and why</summary><ul>{items}</ul></details>"


def _curves(record: FixRecord) -> str:
    shown = curves(record)
    kinds = {each.kind for each in shown}
    pictures = "".join(draw_curves(shown, frame) for frame in (WIDE, NARROW))
    return _figure("The trainings", pictures, [kind for kind in _SAID if kind in kinds], _SPREAD)


def _profiles(record: FixRecord) -> str:
    shown = profiles(record)
    pictures = "".join(draw_profiles(shown, frame) for frame in (WIDE, NARROW))
    return _figure("The gradient on its way back, before and after", pictures, list(shown), moments(shown))


def _figure(title: str, pictures: str, kinds: list[str], told: str) -> str:
    if not pictures:
        return ""
    keys = "".join(f'<li><span class="key {kind}-key"></span>{_SAID[kind]}</li>' for kind in kinds)
    more = f'<p class="told">{told}</p>' if told else ""
    return f'<figure><h2>{title}</h2>{more}<ul class="legend">{keys}</ul>{pictures}</figure>'


def _change(record: FixRecord) -> str:
    """The diff, what could not be written as one and why, and the same as plain PyTorch; a click selects all of it."""
    diff = "".join(f'<span class="{kind}">{safe_code(line)}\n</span>' for kind, line in diff_lines(record.diff))
    snippet = "\n".join(map(safe_code, code_lines(record.snippet)))
    why = "".join(f"<li>{prose(said)}</li>" for said in record.not_written)
    parts = (
        f'<pre class="source" tabindex="0">{diff}</pre>' if diff else "",
        f'<h3>Not in the diff</h3><ul class="quiet">{why}</ul>' if why else "",
        f'<h3>As plain PyTorch</h3><pre class="source" tabindex="0">{snippet}</pre>' if snippet else "",
    )
    shown = "".join(parts)
    return f'<section class="change"><h2>The change</h2>{shown}</section>' if shown else ""


def safe_code(line: str) -> str:
    """A line of source as inert text; its tabs stay."""
    return "\t".join(map(safe, line.split("\t")))


def _words(column: str) -> str:
    return ' class="words"' if column in ("change", "came out") else ""
