import pytest

from headwater import __version__
from headwater.cli import main


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as exit_info:
        main(arguments)
    captured = capsys.readouterr()
    return int(exit_info.value.code or 0), captured.out, captured.err


def test_version(capsys):
    assert run(capsys, "--version") == (0, f"headwater {__version__}\n", "")


@pytest.mark.parametrize("command", [[], ["demo"], ["check"], ["fix"], ["predict"], ["study"], ["explain"]])
def test_help_of_every_command(capsys, command):
    code, out, _ = run(capsys, *command, "--help")
    assert code == 0
    assert "Usage: headwater" in out


def test_help_of_check_shows_how_to_call_it(capsys):
    _, out, _ = run(capsys, "check", "--help")
    assert "headwater check mine.py:network --json --fail-on warning" in out


@pytest.mark.parametrize(
    "arguments", [["no-such-command"], ["check"], ["check", "a.py:f", "--fail-on", "sometimes"], ["explain", "--no"]]
)
def test_a_usage_error_exits_with_2(capsys, arguments):
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert "Usage" in err


def test_a_headwater_error_is_told_without_a_traceback(capsys):
    code, out, err = run(capsys, "check", "nothing")
    assert (code, out) == (2, "")
    assert err.startswith("error: Expected a module and a function, got 'nothing'. Write it as pkg.mod:function")
    assert "Traceback" not in err
