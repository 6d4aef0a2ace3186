"""A callback for Keras 3 on its PyTorch backend.

model.fit(x, y, callbacks=[HeadwaterCallback(run_dir="runs/x")])
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch

from headwater.errors import InputError
from headwater.integrations.missing import missing
from headwater.watch import Watch, watch

try:
    import keras
except ImportError as error:
    raise missing("Keras", "keras") from error


class _KerasOptimizer:
    """Keras's optimizer as Headwater sees one: parameter groups, and a step that it can wrap."""

    def __init__(self, optimizer: Any, parameters: list[torch.nn.Parameter]) -> None:
        self._optimizer = optimizer
        self._parameters = parameters
        self._apply = optimizer.apply
        self._steps = int(optimizer.iterations)
        self._read: tuple[Any, float] | None = None

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """One group, with the rate of now; without one where a function of the user's makes it, which is left alone."""
        return [{"params": self._parameters, "lr": self._rate()}]

    def step(self, *args: Any, **kwargs: Any) -> Any:
        """What Keras calls ``apply``."""
        result = self._apply(*args, **kwargs)
        self._steps += 1
        return result

    def _rate(self) -> float | None:
        """Is asked for often: read from a device only when it was assigned, and a schedule's from none."""
        held: Any = self._optimizer._learning_rate
        if isinstance(held, keras.Variable):
            tensor = cast(torch.Tensor, held.value)
            return self._once((id(tensor), tensor._version), lambda: float(tensor))
        if isinstance(held, keras.optimizers.schedules.LearningRateSchedule):
            return self._once((id(held), self._steps), lambda: self._scheduled(held))
        return None if callable(held) else float(held)

    def _scheduled(self, schedule: Any) -> float:
        with keras.device("cpu:0"):
            return float(schedule(self._steps))

    def _once(self, key: Any, read: Callable[[], float]) -> float:
        if self._read is None or self._read[0] != key:
            self._read = key, read()
        return self._read[1]


class _Apply:
    """Stands for the ``apply`` of Keras's optimizer while a callback watches."""

    def __init__(self, callback: HeadwaterCallback, optimizer: Any, seen: _KerasOptimizer) -> None:
        self.callback, self._optimizer, self._seen = callback, optimizer, seen
        self._own = vars(optimizer).get("apply")
        optimizer.apply = self

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._seen.step(*args, **kwargs)

    def remove(self) -> None:
        """Puts back what was there."""
        if vars(self._optimizer).get("apply") is not self:
            return
        if self._own is None:
            del self._optimizer.apply
        else:
            self._optimizer.apply = self._own


class HeadwaterCallback(keras.callbacks.Callback):
    """Watches the model while ``fit`` trains it. After one that raised call `stop`; the next ``fit`` does, otherwise.

    Args:
        options: as for `headwater.watch`: `run_dir`, `budget`, `on_event`, `sinks`.

    Attributes:
        watch: what watches, from the start of ``fit`` on; its `report` stays possible afterwards.

    Raises:
        InputError: Keras runs on another backend than PyTorch.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__()
        if keras.backend.backend() != "torch":
            raise InputError(
                f"Headwater reads PyTorch's graph, and Keras runs on {keras.backend.backend()}. Set "
                "KERAS_BACKEND=torch before Keras is imported."
            )
        self._options = options
        self._apply: _Apply | None = None
        self.watch: Watch | None = None

    def on_train_begin(self, logs: Any = None) -> None:
        """Begins to watch. A ``fit`` before this one that came to no end, of which Keras says nothing, failed."""
        model, optimizer = cast(Any, self.model), self._optimizer()
        left = cast("dict[str, Any]", vars(optimizer)).get("apply")
        for callback in (self, left.callback if isinstance(left, _Apply) else None):
            if callback is not None:
                callback.stop(RuntimeError)
        parameters: list[torch.nn.Parameter] = [variable.value for variable in model.trainable_variables]
        seen = _KerasOptimizer(optimizer, parameters)
        self.watch = watch(model, seen, **self._options)
        self._apply = _Apply(self, optimizer, seen)

    def on_train_end(self, logs: Any = None) -> None:
        """Stops watching."""
        self.stop()

    def stop(self, failure: type[BaseException] | None = None) -> None:
        """Stops watching, if it does.

        Args:
            failure: kind of the exception that ended the training; ``None``: it came to its end.
        """
        if self.watch is not None and self._apply is not None:
            self._apply.remove()
            self._apply = None
            self.watch.__exit__(failure, None, None)

    def _optimizer(self) -> Any:
        """The innermost: one that scales the loss passes on to another."""
        optimizer: Any = cast(Any, self.model).optimizer
        return getattr(optimizer, "inner_optimizer", optimizer)
