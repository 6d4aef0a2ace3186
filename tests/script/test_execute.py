"""A script must not notice: each program runs once by Python itself and once by us, and both must do the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from headwater.errors import InputError
from headwater.script import Target, execute

RUNNER = """
import sys
from headwater.script import Target, dying, execute
module = sys.argv[1] == "-m"
name, *arguments = sys.argv[2:] if module else sys.argv[1:]
die = dying()
ended = execute(Target(name, tuple(arguments), module))
if ended.signal is not None:
    die(ended.signal)
sys.exit(ended.code)
"""

TERMINATE = "import os, signal, time\nos.kill(os.getpid(), signal.SIGTERM)\ntime.sleep(5)"

PROGRAMS = {
    "arguments": "import sys; print(sys.argv)",
    "main": "import __main__, sys; print(__name__, __main__.__file__, sys.modules['__main__'] is __main__, __spec__)",
    "loader": "print(type(__loader__), __loader__.name, __loader__.path, (lambda: 0).__code__.co_filename)",
    "own file from elsewhere": "import os; os.chdir('/'); print(__file__, os.path.exists(__file__))",
    "path": "import sys, os; print(sys.path[0] == os.path.dirname(os.path.abspath(__file__)))",
    "neighbour": "import neighbour; print(neighbour.value)",
    "exit code": "import sys; sys.exit(7)",
    "exit text": "import sys; sys.exit('what went wrong')",
    "exit nothing": "raise SystemExit",
    "exception": "def f():\n    raise ValueError('mine')\n\nf()",
    "excepthook": "import sys\nsys.excepthook = lambda *error: print('hooked', error[0].__name__)\nraise KeyError('x')",
    "stdin": "import sys; print(sys.stdin.read().upper())",
    "at exit": "import atexit\nword = 'later'\natexit.register(lambda: print(word))\nprint('now')",
    "pickle": "import pickle\nclass A: pass\nprint(type(pickle.loads(pickle.dumps(A()))).__module__)",
    "spawn": "import multiprocessing as mp\ndef f(x): return x * x\nif __name__ == '__main__':\n"
    "    with mp.get_context('spawn').Pool(1) as pool: print(pool.map(f, [1, 2, 3]))",
    "thread": "import threading, time\nthreading.Thread(target=lambda: (time.sleep(.2), print('end'))).start()",
    "interrupt": "import atexit, signal\natexit.register(print, 'exit')\nsignal.raise_signal(signal.SIGINT)",
    "interrupt caught": "import os\ntry: os.kill(os.getpid(), 2)\nexcept KeyboardInterrupt: print('mine')",
    "interrupt ignored": "import os, signal\nsignal.signal(2, signal.SIG_IGN)\nos.kill(os.getpid(), 2)",
    "terminate": f"import atexit\natexit.register(print, 'exit')\n{TERMINATE}",
    "terminate and catch all": "try:\n    " + TERMINATE.replace("\n", "\n    ") + "\nexcept BaseException: pass",
    "terminate with a handler": f"import signal\nsignal.signal(signal.SIGTERM, lambda *_: exit(4))\n{TERMINATE}",
    "terminate with one before it": "import signal\nbefore = signal.getsignal(signal.SIGTERM)\n"
    "signal.signal(signal.SIGTERM, lambda *a: before(*a) if callable(before) else print(before, flush=True))\n"
    f"print(before is signal.SIG_DFL)\n{TERMINATE.replace('5', '0.1')}\n"
    "signal.signal(signal.SIGTERM, before)\nsignal.raise_signal(signal.SIGTERM)",
    "handlers": "import signal\nfor each in signal.valid_signals(): print(each, signal.getsignal(each))\n"
    "print(signal.signal(signal.SIGTERM, signal.SIG_IGN) is signal.SIG_DFL)",
    "terminate a worker": "import multiprocessing, time\n"
    "worker = multiprocessing.get_context('fork').Process(target=time.sleep, args=(9,))\n"
    "worker.start()\nworker.terminate()\nworker.join()\nprint(worker.exitcode)",
    "encoding": "# -*- coding: latin-1 -*-\nprint(len('é'))",
    "future": "from __future__ import annotations\ndef f(x: nonsense): return 1\nprint(f(2), f.__annotations__)",
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_script_does_what_it_does_under_python(tmp_path: Path, name: str) -> None:
    (tmp_path / "neighbour.py").write_text("value = 42")
    script = tmp_path / "program.py"
    script.write_bytes(PROGRAMS[name].encode("latin-1"))
    command = [str(script), "--flag", "a b", "-x"]
    assert _run([sys.executable, "-c", RUNNER, *command], tmp_path) == _run([sys.executable, *command], tmp_path)


@pytest.mark.parametrize("given", ["program.py", "./program.py", "../there/program.py", ".//program.py", "link.py"])
def test_a_script_learns_its_own_path_as_from_python(tmp_path: Path, given: str) -> None:
    folder = tmp_path / "there"
    folder.mkdir()
    (folder / "neighbour.py").write_text("value = 42")
    script = "import sys, neighbour\nprint(__file__, __loader__.path, sys.argv, sys.path[0])\nraise KeyError(__file__)"
    (folder / "program.py").write_text(script)
    (folder / "link.py").symlink_to("program.py")
    assert _run([sys.executable, "-c", RUNNER, given], folder) == _run([sys.executable, given], folder)


@pytest.mark.parametrize("module", [False, True])
def test_a_safe_path_stays_safe(tmp_path: Path, module: bool) -> None:
    (tmp_path / "program.py").write_text("import sys; print(sys.path)")
    command = ["-m", "timeit", "-n1", "-r1", "import sys; print(sys.path)"] if module else ["program.py"]
    plain = _run([sys.executable, "-P", *command], tmp_path)
    assert _run([sys.executable, "-P", "-c", RUNNER, *command], tmp_path)[1].splitlines()[0] == plain[1].splitlines()[0]


ENOUGH = {
    "main": "enough()",
    "thread": "t = threading.Thread(target=last)\nt.start()\nt.join()",
    "endless main": "threading.Thread(target=last).start()\nwhile True: pass",
    "sleeping main": "threading.Thread(target=last).start()\ntime.sleep(50)",
    "several": "with ThreadPoolExecutor(3) as pool:\n"
    "    for each in [pool.submit(last) for _ in range(3)]: each.result()",
    "pool": "ThreadPool(2).map(last, range(2))",
}


@pytest.mark.parametrize("name", ENOUGH)
def test_enough_steps_end_the_script_without_a_word_from_whichever_thread(tmp_path: Path, name: str) -> None:
    heads = (
        "import threading, time",
        "from concurrent.futures import ThreadPoolExecutor",
        "from multiprocessing.pool import ThreadPool",
        "from headwater.script import enough",
        "def last(*_):\n    time.sleep(0.2)\n    enough()",
    )
    (tmp_path / "program.py").write_text("\n".join((*heads, ENOUGH[name], "print('goes on')")))
    runner = RUNNER.replace("sys.exit(", "print(ended.status)\nsys.exit(")
    assert _run([sys.executable, "-c", runner, "program.py"], tmp_path) == (0, "stopped\n", "")


def test_the_line_of_an_end_is_the_users_own(tmp_path: Path) -> None:
    script = tmp_path / "program.py"
    script.write_text("import json\n\njson.loads('no')")
    runner = RUNNER.replace("sys.exit(", "print(ended.status, *ended.line)\nsys.exit(")
    assert _run([sys.executable, "-c", runner, "program.py"], tmp_path)[1] == f"crashed {script} 3\n"
    script.write_text(TERMINATE)
    runner = runner.replace("if ended.signal is not None:", "if not ended.line:")
    assert _run([sys.executable, "-c", runner, "program.py"], tmp_path)[:2] == (143, f"interrupted {script} 2\n")


def test_a_module_does_what_it_does_under_python(tmp_path: Path) -> None:
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("print('imported')")
    (package / "part.py").write_text("value = 3")
    (package / "__main__.py").write_text("from .part import value\nimport sys\nprint(value, __package__, sys.argv[1:])")
    for name in ("package", "package.part"):
        command = ["-m", name, "x"]
        assert _run([sys.executable, "-c", RUNNER, *command], tmp_path) == _run([sys.executable, *command], tmp_path)


@pytest.mark.parametrize(
    ("target", "says"),
    [
        (Target("nowhere.py"), "no script"),
        (Target("."), "folder"),
        (Target("nowhere", module=True), "no module"),
        (Target("nowhere.part", module=True), "cannot be found"),
    ],
)
def test_what_cannot_be_run_is_an_error(target: Target, says: str) -> None:
    with pytest.raises(InputError, match=says):
        execute(target)


def test_what_is_not_python_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text("def (")
    with pytest.raises(InputError, match="not Python"):
        execute(Target(str(tmp_path / "x.py")))


def test_torch_is_not_imported_before_the_script_does(tmp_path: Path) -> None:
    script = tmp_path / "program.py"
    script.write_text("import sys\nprint('torch' in sys.modules)")
    command = [sys.executable, "-m", "headwater", "run", "--no-record", str(script)]
    assert subprocess.run(command, capture_output=True, text=True, check=False).stdout == "False\n"


def _run(command: list[str], folder: Path) -> tuple[int, str, str]:
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, input="text", timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


def test_a_notebook_is_no_script(tmp_path: Path) -> None:
    notebook = tmp_path / "train.ipynb"
    notebook.write_text('{"cells": [{"execution_count": null}]}')
    with pytest.raises(InputError, match="nbconvert --to script"):
        execute(Target(str(notebook)))


def test_relative_imports_of_a_script_are_told_how_to_work(tmp_path: Path) -> None:
    package = tmp_path / "mine" / "training"
    package.mkdir(parents=True)
    for name in ("mine/__init__.py", "mine/training/__init__.py"):
        (tmp_path / name).write_text("")
    (package / "train.py").write_text("from .model import x")
    done = subprocess.run([sys.executable, "-c", RUNNER, str(package / "train.py")], capture_output=True, text=True)
    assert done.returncode == 1 and "ImportError" in done.stderr
    assert done.stderr.endswith(f"Run it as a module, in {tmp_path}: -m mine.training.train\n")
    (package / "train.py").write_text("from .nothing import x")
    module = subprocess.run(
        [sys.executable, "-c", RUNNER, "-m", "mine.training.train"], cwd=tmp_path, capture_output=True, text=True
    )
    assert "Run it as" not in module.stderr
