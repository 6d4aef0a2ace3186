from __future__ import annotations

import difflib

from headwater.report.fix.diff import code_lines, diff_lines

OLD = ["a\n", "-- a comment of SQL\n", "b\n", "c\n"]
NEW = ["a\n", "++ added\n", "b\n", "\tc\n"]


def test_lines_of_a_diff_are_told_apart_as_the_places_say() -> None:
    diff = "".join(difflib.unified_diff(OLD, NEW, "a/x.py", "b/x.py"))
    lines = diff_lines(diff + diff)
    assert lines[: len(lines) // 2] == lines[len(lines) // 2 :]
    assert [kind for kind, _ in lines[: len(lines) // 2]] == [
        *("file", "file", "place", "same"),
        *("removed", "added", "same", "removed", "added"),
    ]
    # A removed line that begins with two dashes looks like the name of a file.
    assert ("removed", "--- a comment of SQL") in lines and ("added", "+++ added") in lines


def test_the_diff_gives_back_both_files() -> None:
    lines = diff_lines("".join(difflib.unified_diff(OLD, NEW, "a", "b")))
    for lost, kept in (("added", OLD), ("removed", NEW)):
        assert [
            f"{line[1:]}\n" for kind, line in lines if kind in ("same", "added", "removed") and kind != lost
        ] == kept


def test_a_place_of_one_line_and_a_missing_newline_at_the_end() -> None:
    diff = "--- a\n+++ b\n@@ -1 +1 @@\n-x\n\\ No newline at end of file\n+y\n\\ No newline at end of file\n"
    assert [kind for kind, _ in diff_lines(diff)] == ["file", "file", "place", "removed", "file", "added", "file"]


def test_tabs_stay_and_other_control_characters_do_not() -> None:
    assert code_lines("\tif x:\n\t\ty\x1b[31m\n") == ["\tif x:", "\t\ty�[31m"]
    assert code_lines("") == []
