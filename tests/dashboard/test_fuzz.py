"""Damaged and hostile runs, by the thousand: refused or shown with a note, and never a failure of the server.

pytest tests/dashboard/test_fuzz.py --fuzz 5000
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from headwater.errors import HeadwaterError
from headwater.records import FLAGS, KEYS, STATISTICS
from headwater.store import open_run
from tests.dashboard.served import client, made

QUESTIONS = (
    "/api/runs",
    "/api/runs/x",
    "/api/runs/x/history?width=50",
    "/api/runs/x/history?statistic=signal&first=3&last=9&height=2",
    "/api/runs/x/series?statistics=loss,grad_norm&points=10",
    "/api/runs/x/series?layer=conv.2&statistics=grad_norm,signal",
)
FILES = ("run.json", "report.json", "findings.jsonl", "sources/index.json", "segments/rank0-00000001.parquet")

json_trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing is wrong with."""
    root = tmp_path_factory.mktemp("sound")
    made(root / "x")
    return root / "x"


@pytest.fixture
def fuzzed(request: pytest.FixtureRequest, sound: Path, tmp_path: Path) -> Callable[[Any, Callable[..., None]], None]:
    """Runs a test that damages a fresh copy of the run, as many times as `--fuzz` says."""

    def run(strategy: Any, damage: Callable[..., None]) -> None:
        @settings(
            max_examples=request.config.getoption("--fuzz"),
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.generate, Phase.shrink),
        )
        @given(strategy)
        def each(drawn: Any) -> None:
            shutil.rmtree(tmp_path / "x", ignore_errors=True)
            shutil.copytree(sound, tmp_path / "x")
            damage(tmp_path / "x", drawn)
            stands(tmp_path)

        each()

    return run


def stands(root: Path) -> None:
    """Every question is answered by JSON, with what can be said of the run or a sentence; so is every reader."""
    one = client(root)
    for path in QUESTIONS:
        answer = one.get(path)
        assert answer.status_code in (200, 400, 404, 422), (path, answer.status_code, answer.text[:500])
        told = json.loads(answer.text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
        assert answer.status_code == 200 or told["error"]
    try:
        run = open_run(root / "x")
        for read in (run.events, run.report_texts, run.sources, run.trials, run.table, run.last_step):
            read()
    except HeadwaterError:
        pass


def test_bytes_that_are_changed_lost_or_added(fuzzed: Callable[[Any, Callable[..., None]], None]) -> None:
    changes = st.lists(
        st.tuples(st.sampled_from(["set", "cut", "add", "end"]), st.floats(0, 1), st.binary(min_size=1, max_size=8)),
        min_size=1,
        max_size=6,
    )

    def damage(folder: Path, drawn: tuple[str, list[tuple[str, float, bytes]]]) -> None:
        name, some = drawn
        data = bytearray((folder / name).read_bytes())
        for kind, where, content in some:
            at = int(where * len(data))
            if kind == "set":
                data[at : at + len(content)] = content
            elif kind == "cut":
                del data[at : at + len(content)]
            elif kind == "add":
                data[at:at] = content
            else:
                del data[at:]
        (folder / name).write_bytes(bytes(data))

    fuzzed(st.tuples(st.sampled_from(FILES), changes), damage)


def test_json_in_which_anything_stands_for_anything(fuzzed: Callable[[Any, Callable[..., None]], None]) -> None:
    def damage(folder: Path, drawn: tuple[str, float, Any]) -> None:
        name, where, value = drawn
        tree = json.loads(
            (folder / name).read_text().splitlines()[0] if name == "findings.jsonl" else (folder / name).read_text()
        )
        places = list(_places(tree))
        holder, key = places[int(where * (len(places) - 1))]
        holder[key] = value
        (folder / name).write_text(json.dumps(tree))

    fuzzed(st.tuples(st.sampled_from(FILES[:-1]), st.floats(0, 1), json_trees), damage)


def _places(tree: Any) -> Any:
    """Every place in a tree of JSON: what holds it, and under which key."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in list(items):
        yield tree, key
        yield from _places(value)


def test_tables_of_other_columns_types_and_values(fuzzed: Callable[[Any, Callable[..., None]], None]) -> None:
    kinds = {
        "int64": st.integers(-(1 << 63), (1 << 63) - 1) | st.integers(0, 40),
        "double": st.floats(),
        "string": st.text(max_size=12) | st.just("conv.2") | st.just(""),
        "bool": st.booleans(),
        "binary": st.binary(max_size=8),
    }
    proper = {**dict.fromkeys(("step", "rank"), "int64"), **dict.fromkeys(("track", "layer", "parameter"), "string")}
    proper |= dict.fromkeys(STATISTICS, "double") | dict.fromkeys(FLAGS, "bool")
    names = st.sampled_from([*KEYS, *STATISTICS, *FLAGS])

    @st.composite
    def tables(draw: Any) -> pa.Table:
        length, columns = draw(st.integers(0, 12)), {}
        for name in dict.fromkeys(["step", "layer", "parameter", *draw(st.lists(names, max_size=6))]):
            kind = draw(st.sampled_from([proper[name]] * 9 + list(kinds)))
            values = draw(st.lists(st.none() | kinds[kind], min_size=length, max_size=length))
            columns[name] = pa.array(values, pa.type_for_alias(kind))
        return pa.table(columns)

    def damage(folder: Path, drawn: tuple[pa.Table, bool]) -> None:
        table, alone = drawn
        pq.write_table(table, folder / "segments" / ("rank0-00000001.parquet" if alone else "rank0-00000002.parquet"))

    fuzzed(st.tuples(tables(), st.booleans()), damage)


LONG = "9" * 5000
TEXTS = ["[" * 200_000, '{"a":' * 100_000, LONG, f'{{"name": {LONG}}}', '"' + "\\u0000" * 1000 + '"', "NaN"]
FIELDS = ["models", "optimizers", "versions", "sharded", "command", "git_commit", "ended", "steps"]


@pytest.mark.parametrize("name", FILES[:-1])
@pytest.mark.parametrize("text", TEXTS)
def test_json_that_is_deep_or_long(sound: Path, tmp_path: Path, name: str, text: str) -> None:
    shutil.copytree(sound, tmp_path / "x")
    (tmp_path / "x" / name).write_text(text)
    stands(tmp_path)


@pytest.mark.parametrize(
    "field", ["models", "optimizers", "versions", "sharded", "command", "git_commit", "ended", "steps"]
)
@pytest.mark.parametrize("value", ["deep", 1 << 70, -1, "x" * 100_000, {"a": -1}, {"net.0": 0}, [[]], None, 1e400])
def test_a_run_json_of_odd_values(sound: Path, tmp_path: Path, field: str, value: Any) -> None:
    shutil.copytree(sound, tmp_path / "x")
    tree = json.loads((sound / "run.json").read_text())
    text = json.dumps(tree | {field: value if value != "deep" else "DEEP"})
    (tmp_path / "x" / "run.json").write_text(text.replace('"DEEP"', "[" * 5000 + "]" * 5000))
    stands(tmp_path)


def test_a_table_that_says_it_is_huge(sound: Path, tmp_path: Path) -> None:
    shutil.copytree(sound, tmp_path / "x")
    rows = 2_000_000  # of a few bytes: all alike, as a file of a bomb is
    layers = pa.array(["a" * 400_000]).take(pa.array([0] * 100))
    bomb = pa.table({"step": range(100), "layer": layers, "parameter": pa.nulls(100, pa.string())})
    pq.write_table(bomb, tmp_path / "x" / "segments" / "rank0-00000002.parquet")
    same = pa.array([7] * rows)
    one = pa.table(
        {"step": same, "layer": pa.array(["a"]).take(pa.array([0] * rows)), "parameter": pa.nulls(rows, pa.string())}
    )
    pq.write_table(one, tmp_path / "x" / "segments" / "rank0-00000003.parquet")
    stands(tmp_path)
    told = client(tmp_path).get("/api/runs/x").json()
    assert not [name for name in told["layers"] if len(name) > 1000]
