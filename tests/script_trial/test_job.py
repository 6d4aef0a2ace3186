"""Paths lead to the copy inside of a trial, and to the user's files outside."""

from __future__ import annotations

from dataclasses import replace

from headwater.records import Change, Finding, SourceLine, Where
from headwater.script import Target
from headwater.script_trial.job import Answer, Job, Original, read_answer, read_job, write_answer, write_job
from tests.builders import measurement

MOVED = {"/tmp/headwater-1/0/project": "/home/me/project"}


def finding(file: str) -> Finding:
    return Finding("HW101", "vanishing-gradient", "error", Where(file=file, line=3), "message", "cause")


def test_a_job_keeps_all_and_knows_lines_of_the_copy() -> None:
    built = SourceLine("/home/me/project/train.py", 7)
    other = finding("/home/me/project-two/train.py")
    original = Original(measurement(), (finding(built.file), other), 40, 0, built, losses=(1.0, float("inf")))
    job = Job(Target("train.py", ("-x",)), "train", 40, "/tmp/headwater-1", MOVED, original, ("momentum",), seed=2)
    inside = read_job(write_job(job))
    assert inside.original is not None and inside.original.built == SourceLine("/tmp/headwater-1/0/project/train.py", 7)
    assert [each.where.file for each in inside.original.findings] == [inside.original.built.file, other.where.file]
    assert inside.original.losses == original.losses and inside.original.measurement == original.measurement
    assert replace(inside, original=None) == replace(job, original=None)


def test_an_answer_knows_lines_of_the_users() -> None:
    change = Change("momentum", "in /tmp/headwater-1/0/project/train.py:7", ("",))
    answer = Answer("crashed", ("/tmp/headwater-1/0/project/train.py", 7), changes=(change,), error="it's here: 7")
    outside = read_answer(write_answer(answer, MOVED))
    assert outside.line == ("/home/me/project/train.py", 7)
    assert outside.changes[0].says == "in /home/me/project/train.py:7" and outside.error == answer.error
