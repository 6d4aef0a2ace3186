"""What ends a script before its own end: the steps that were asked for, wherever they are taken, and SIGTERM."""

from __future__ import annotations

import _thread
import atexit
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from importlib import import_module
from types import FrameType
from typing import Any, NoReturn

_signal: Any = import_module("_signal")  # `signal`, which would make a mere number of a handler of ours

GRACE = 10.0
"""Seconds that a script has for its own ``finally`` after SIGTERM, as long as Docker waits before it kills. Python by
itself would have died at once, so that nothing may rely on more; and a script may swallow what is raised in it."""


class EnoughSteps(BaseException):
    """Raised through the user's script when it has taken the steps that were asked for.

    It is no failure, and ``except Exception`` does not catch it.
    """


class Terminated(BaseException):
    """Raised through the user's script at SIGTERM, so that what was seen of it can be told."""


def enough() -> NoReturn:
    """Ends the script from the thread that has taken the last step, which ends without a word.

    Another thread reaches the main one by SIGURG, which nobody else uses and which is otherwise ignored: an exception
    that is set from outside would not wake it from waiting for this thread. On Windows only this thread ends.
    """
    main = threading.main_thread().ident
    if main is None or threading.get_ident() == main:
        raise EnoughSteps
    if sys.platform != "win32" and _signal.getsignal(signal.SIGURG) is _STOP_MAIN:
        signal.pthread_kill(main, signal.SIGURG)
    raise SystemExit


def join_interrupted() -> None:
    """Waits for threads that Python takes for ended because waiting for them was interrupted; they end at a next step.

    Up to Python 3.12 ``Thread.join`` marks a thread as stopped when an exception ends the waiting. Python would leave
    while it still runs, and die of that.
    """
    while any(not each.is_alive() for each in threading.enumerate()):
        time.sleep(0.01)


class Stoppable:
    """Inside, `enough` and SIGTERM end what the main thread does; a context manager.

    A script's own handlers of these signals count, whenever they are set. Processes that train together are left to die
    of SIGTERM at once: it comes when one of them has failed, while the others wait for it in C, where no handler runs.

    Attributes:
        terminated: whether SIGTERM came.
    """

    def __init__(self) -> None:
        self.terminated = False
        self._over = threading.Lock()
        self._ours: dict[int, _Unseen] = {}
        self._unblocked: dict[int, set[int]] = {}

    def __enter__(self) -> Stoppable:
        if sys.platform == "win32" or threading.current_thread() is not threading.main_thread():
            return self
        ours = {signal.SIGURG: _STOP_MAIN}
        if int(os.environ.get("WORLD_SIZE", "1")) == 1:
            ours[signal.SIGTERM] = _Unseen(self._terminate)
        self._ours = {number: ours[number] for number in ours if signal.getsignal(number) is signal.SIG_DFL}
        os.register_at_fork(before=self._block, after_in_parent=self._unblock, after_in_child=self._forked)
        for number, handler in self._ours.items():
            _signal.signal(number, handler)
        return self

    def __exit__(self, *_: object) -> None:
        self._leave()
        if self.terminated:
            self._over.release()

    def _leave(self) -> None:
        for number, handler in self._ours.items():
            if _signal.getsignal(number) is handler:
                signal.signal(number, signal.SIG_DFL)
        self._ours = {}

    # A worker that is terminated dies at once, also while it runs C. Where a handler is set, Python loses what comes to
    # a worker before its first line: until ours is gone there, the system keeps the signal.

    def _block(self) -> None:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, self._ours)
        self._unblocked[threading.get_ident()] = {int(number) for number in before}

    def _unblock(self) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self._unblocked.pop(threading.get_ident()))

    def _forked(self) -> None:
        self._leave()
        self._unblock()

    def _terminate(self, number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)  # a second one kills at once
        self._over.acquire()
        self.terminated = True
        _thread.start_new_thread(_kill_late, (self._over,))  # threading's own locks may be held just now
        raise Terminated


def dying() -> Callable[[int], None]:
    """Gives a function that ends this process by a signal, as Python ends by it: call it before the script runs.

    By SIGINT it dies at its exit, after what the script has registered there; by SIGTERM at once. A shell's loop stops
    at Ctrl-C only when it sees that its child has died of it.
    """
    at_exit: list[int] = []
    atexit.register(lambda: _die(at_exit[0]) if at_exit else None)

    def die(number: int) -> None:
        if number == signal.SIGINT:
            at_exit.append(number)
        else:
            _die(number)

    return die


class _Unseen(int):
    """A handler that the script takes for the default one, which is a number in `signal`.

    A script may ask whether there is a handler, and put its own before it or around it (Lightning does, and survives
    SIGTERM so): it must do what it would do where there is none.
    """

    _handle: Callable[[int, FrameType | None], None]

    def __new__(cls, handle: Callable[[int, FrameType | None], None]) -> _Unseen:
        self = super().__new__(cls, signal.SIG_DFL)
        self._handle = handle
        return self

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self._handle(number, frame)


def _stop_main(number: int, frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)
    raise EnoughSteps


_STOP_MAIN = _Unseen(_stop_main)


def _kill_late(over: threading.Lock) -> None:
    if not over.acquire(timeout=GRACE):
        os.kill(os.getpid(), signal.SIGTERM)


def _die(number: int) -> None:
    logging.shutdown()  # which was registered before us, and would come too late
    sys.stdout.flush()
    sys.stderr.flush()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
