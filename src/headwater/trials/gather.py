"""Sends tasks to an executor, gives back what they return as it comes, and does again what a dead worker took along."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from typing import Any, TypeVar

from headwater.errors import InputError
from headwater.trials.workload import DIED

W = TypeVar("W")
A = TypeVar("A")
R = TypeVar("R")

TRIES = 2
"""Times that a task may take its worker along when nothing else runs: then it is the task that kills it."""
_DIED = {
    "ray": {"WorkerCrashedError", "NodeDiedError", "LocalRayletDiedError", "ObjectLostError", "OutOfMemoryError"},
    "distributed": {"KilledWorker"},
}
"""What Ray and Dask raise after all their retries, by package; both may be absent."""


def gather(
    executor: Executor,
    task: Callable[[W, A], R],
    work: W,
    arguments: Sequence[A],
    failed: Callable[[A, str], R],
    ahead: int | None = None,
    died: Callable[[R], bool] = lambda _: False,
) -> Generator[tuple[A, R]]:
    """Yields each argument with the result of its task as it comes, in any order.

    When a worker dies, all that were on their way are lost with it, and which one was at fault is not known. They are
    then done one by one.

    Args:
        executor: any.
        task: a function that can be pickled.
        work: its first argument.
        arguments: its second argument, for each task.
        failed: what stands for the result of a task that ends its worker each time.
        ahead: tasks that are with the executor at a time, so that a worker that dies takes few along; ``None``: all.
        died: whether a result tells of such a death: of a process that the task began itself.

    Raises:
        InputError: the executor takes no more tasks, as a pool of the standard library does whose worker died.
    """
    waiting = deque(range(len(arguments)))
    running: dict[Future[R], int] = {}
    lost: list[int] = []
    while waiting or running:
        while waiting and (ahead is None or len(running) < ahead):
            place = waiting.popleft()
            running[_submitted(executor, task, work, arguments[place])] = place
        done, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            place = running.pop(future)
            if _died(future) or died(future.result()):
                lost.append(place)
            else:
                yield arguments[place], future.result()
    for place in sorted(lost):
        yield arguments[place], _alone(executor, task, work, arguments[place], failed, died)


def _alone(
    executor: Executor,
    task: Callable[[W, A], R],
    work: W,
    argument: A,
    failed: Callable[[A, str], R],
    died: Callable[[R], bool],
) -> R:
    told: R | None = None
    for _ in range(TRIES):
        future = _submitted(executor, task, work, argument)
        told = None if _died(future) else future.result()
        if told is not None and not died(told):
            break
    return failed(argument, f"{DIED} each time: out of memory, or a crash") if told is None else told


def _submitted(executor: Executor, task: Callable[[W, A], R], work: W, argument: A) -> Future[R]:
    try:
        return executor.submit(task, work, argument)
    except BrokenExecutor as error:
        raise InputError(
            f"A worker of the {type(executor).__name__} died (out of memory, or a crash), and it takes no more tasks. "
            "Expected an engine that begins another worker, as engine='local' does; with trials= a search goes on "
            "where this one ended."
        ) from error


def _died(future: Future[Any]) -> bool:
    error = future.exception()
    kinds = [(each.__module__.partition(".")[0], each.__name__) for each in type(error).__mro__]
    return isinstance(error, BrokenExecutor) or any(name in _DIED.get(package, ()) for package, name in kinds)
