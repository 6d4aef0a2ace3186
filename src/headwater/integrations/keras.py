"""A callback for Keras 3 on its PyTorch backend.

model.fit(x, y, callbacks=[HeadwaterCallback(run_dir="runs/x")])
"""

from __future__ import annotations

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

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """One group; the rate is asked for anew each time, since a schedule moves it."""
        return [{"params": self._parameters, "lr": float(self._optimizer.learning_rate)}]

    def step(self, *args: Any, **kwargs: Any) -> Any:
        """What Keras calls ``apply``."""
        return self._apply(*args, **kwargs)


class HeadwaterCallback(keras.callbacks.Callback):
    """Watches the model while ``fit`` trains it.

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
        self.watch: Watch | None = None

    def on_train_begin(self, logs: Any = None) -> None:
        """Begins to watch."""
        model, optimizer = cast(Any, self.model), self._optimizer()
        parameters: list[torch.nn.Parameter] = [variable.value for variable in model.trainable_variables]
        seen = _KerasOptimizer(optimizer, parameters)
        self.watch = watch(model, seen, **self._options)

        def apply(*args: Any, **kwargs: Any) -> Any:
            return seen.step(*args, **kwargs)

        optimizer.apply = apply

    def on_train_end(self, logs: Any = None) -> None:
        """Stops watching."""
        if self.watch is not None:
            self.watch.close()
            vars(self._optimizer()).pop("apply", None)

    def _optimizer(self) -> Any:
        """The innermost: one that scales the loss passes on to another."""
        optimizer: Any = cast(Any, self.model).optimizer
        return getattr(optimizer, "inner_optimizer", optimizer)
