"""Where trials run: an executor of the standard library's interface, whatever is behind it."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from headwater.errors import InputError, MissingDependencyError

ENGINES = ("local", "ray", "dask")
_RETRIES = 3
"""How often an engine may run a task anew whose worker was lost."""


@contextmanager
def executor(
    engine: str | Executor = "local", address: str | None = None, workers: int | None = None
) -> Generator[Executor]:
    """Opens an engine, and closes what it opened.

    Args:
        engine: ``"local"``: processes on this machine; ``"ray"``, ``"dask"``: a cluster; or any
            `concurrent.futures.Executor`, which stays open.
        address: of a running cluster; ``None``: one is started on this machine.
        workers: processes; ``None``: as many as there are cores, or as the cluster has.

    Raises:
        InputError: there is no such engine.
        MissingDependencyError: the engine's package is not installed.
    """
    if isinstance(engine, Executor):
        yield engine
        return
    openers = {"local": _local, "ray": _ray, "dask": _dask}
    if engine not in openers:
        raise InputError(f"Expected engine as one of {', '.join(ENGINES)}, or an Executor; got {engine!r}.")
    if engine == "local" and address is not None:
        raise InputError("The local engine has no address: pass engine='ray' or engine='dask' with it.")
    with openers[engine](address, workers) as opened:
        yield opened


class Inline(Executor):
    """Runs each task at once, in this process and thread."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Runs `fn` and returns a future that is done."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except KeyboardInterrupt:  # it is for the whole search, and this is its process
            raise
        except BaseException as error:  # as an executor does: the caller of the future's result gets it
            future.set_exception(error)
        return future


class Processes(Executor):
    """Processes on this machine, one thread each: as many small networks train at once as there are cores.

    When one dies, loky gives up the whole pool. The next task then begins another.
    """

    def __init__(self, workers: int | None = None) -> None:
        self._workers = workers or cores()
        self._pool: Any = None

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Schedules a task."""
        try:
            return self._ready().submit(fn, *args, **kwargs)
        except BrokenExecutor:
            self._pool = None
            return self._ready().submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Ends the processes; with `cancel_futures` at once."""
        if self._pool is not None:
            self._pool.shutdown(wait=wait, kill_workers=cancel_futures)
        self._pool = None

    def _ready(self) -> Any:
        if self._pool is None:
            loky: Any = import_module("loky")
            self._pool = loky.ProcessPoolExecutor(
                self._workers, initializer=_one_thread, env={"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
            )
        return self._pool


@contextmanager
def _local(_address: str | None, workers: int | None) -> Generator[Executor]:
    pool = Processes(workers)
    try:
        yield pool
    except BaseException:
        pool.shutdown(cancel_futures=True)
        raise
    pool.shutdown()


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def cores() -> int:
    """Returns how many cores this process may use: the workers of the local engine."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class RayTasks(Executor):
    """Ray's tasks; Ray itself runs a task anew when its worker, or its machine, was lost."""

    def __init__(self, ray: Any) -> None:
        self._ray = ray

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Schedules a task on one core."""
        task = self._ray.remote(num_cpus=1, max_retries=_RETRIES)(fn)
        return task.remote(*args, **kwargs).future()


@contextmanager
def _ray(address: str | None, workers: int | None) -> Generator[Executor]:
    ray = _imported("ray")
    started = not ray.is_initialized()
    if started:
        own = {} if address else {"num_cpus": workers, "include_dashboard": False}
        ray.init(address=address, log_to_driver=False, configure_logging=False, **own)
    try:
        yield RayTasks(ray)
    finally:
        if started:
            ray.shutdown()


@contextmanager
def _dask(address: str | None, workers: int | None) -> Generator[Executor]:
    distributed = _imported("distributed", "dask")
    if address:
        with distributed.Client(address) as client:
            yield client.get_executor(retries=_RETRIES, pure=False)
        return
    with (
        distributed.LocalCluster(
            n_workers=workers or cores(), threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client.get_executor(retries=_RETRIES, pure=False)


def _imported(package: str, extra: str | None = None) -> Any:
    try:
        return import_module(package)
    except ImportError as error:
        name = extra or package
        raise MissingDependencyError(
            f"The engine {name} needs the package {package}: pip install 'headwater[{name}]'"
        ) from error
