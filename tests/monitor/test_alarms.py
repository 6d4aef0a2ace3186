"""A finding is told once when it stands, and once when it has healed."""

from __future__ import annotations

from typing import Any

from headwater.monitor.alarms import Alarms
from headwater.records import Finding, Where


def _finding(code: str, severity: Any = "warning", message: str = "") -> Finding:
    return Finding(code, "a-name", severity, Where(), message, "", {}, ())


def _told(alarms: Alarms, *verdicts: list[Finding]) -> list[list[tuple[str, str]]]:
    return [
        [(event.event, event.finding.code) for event in alarms.judge(verdict, step)]
        for step, verdict in enumerate(verdicts)
    ]


def test_a_finding_is_raised_once_at_its_second_sight_and_healed_at_its_second_absence() -> None:
    one = _finding("HW101")
    assert _told(Alarms(), [one], [one], [one], [], [], [], [one], [one]) == [
        [],
        [("raised", "HW101")],
        [],
        [],
        [("healed", "HW101")],
        [],
        [],
        [("raised", "HW101")],
    ]


def test_one_odd_batch_is_no_news() -> None:
    one = _finding("HW101")
    assert _told(Alarms(), [one], [], [one], [], [one]) == [[]] * 5
    assert _told(Alarms(), [one], [one], [], [one], [], [one]) == [[], [("raised", "HW101")], [], [], [], []]


def test_what_is_not_finite_is_raised_at_once() -> None:
    one = _finding("HW701", "error")
    assert _told(Alarms(), [one], [one]) == [[("raised", "HW701")], []]


def test_information_is_no_news() -> None:
    one = _finding("HW505", "info")
    assert _told(Alarms(), [one], [one], [one]) == [[], [], []]


def test_what_stands_is_the_newest_and_events_carry_the_track_and_the_step() -> None:
    alarms = Alarms("critic")
    alarms.judge([_finding("HW101", message="first")], 4)
    (raised,) = alarms.judge([_finding("HW101", message="second")], 9)
    alarms.judge([_finding("HW101", message="third")], 12)
    assert (raised.track, raised.step, raised.finding.message) == ("critic", 9, "second")
    assert alarms.standing["HW101"].message == "third"
    alarms.judge([], 13)
    (healed,) = alarms.judge([], 14)
    assert (healed.event, healed.step, healed.finding.message) == ("healed", 14, "third")
    assert not alarms.standing


def test_several_findings_are_followed_apart() -> None:
    one, other = _finding("HW101"), _finding("HW301")
    assert _told(Alarms(), [one], [one, other], [other], [other]) == [
        [],
        [("raised", "HW101")],
        [("raised", "HW301")],
        [("healed", "HW101")],
    ]
