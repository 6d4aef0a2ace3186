"""Documents hold what the page holds, and their pictures lie beside them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from headwater.study.conduct import conduct
from headwater.study.report.markdown import document
from headwater.trials.engines import Inline
from tests.study.small import small

pytest.importorskip("matplotlib")


def test_a_document_and_its_figures(tmp_path):
    experiment = small(tmp_path / "log")
    found = conduct(experiment, Inline(), tmp_path, quick=True, seeds=1)
    folder = tmp_path / "docs"
    folder.mkdir()
    text = document(replace(experiment, title="<b>*A*</b>"), found, folder).read_text()
    assert text.startswith("# \\<b\\>\\*A\\*\\</b\\>\n")
    assert "`headwater study small --quick --seeds 1`" in text
    assert "- ✓ **The bent one ends higher.** Holds (nobody, ever)." in text
    assert "| straight | 1 | 1 |\n| straight | 2 | 2 |" in text
    assert "![Height](small-lines.svg)" in text
    assert sorted(path.name for path in folder.glob("*.svg")) == [
        f"small-{n}.svg" for n in ("bars", "lines", "map", "panels")
    ]
    assert (folder / "small-map.svg").read_text().startswith("<svg")
    assert "Nothing was measured for this figure." in text
