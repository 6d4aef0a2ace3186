"""A callback for the Trainer of Transformers.

callback = HeadwaterCallback(run_dir="runs/x")
Trainer(model, arguments, train_dataset=data, callbacks=[callback]).train()
callback.watch.report().print()
"""

from __future__ import annotations

import functools
from typing import Any, cast

from headwater.integrations.missing import missing
from headwater.watch import Watch, watch

try:
    from transformers import Trainer, TrainerCallback
except ImportError as error:
    raise missing("Transformers", "transformers") from error


class HeadwaterCallback(TrainerCallback):
    """Watches the model while ``Trainer.train`` trains it, each time.

    Args:
        options: as for `headwater.watch`: `run_dir`, `budget`, `on_event`, `sinks`.

    Attributes:
        watch: what watches, from the start of the newest training on; its `report` stays possible afterwards.
    """

    def __init__(self, **options: Any) -> None:
        self._options = options
        self._watching = False
        self.watch: Watch | None = None
        _tell_of_failures()

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Begins to watch, unless the optimizer is made later (sharded training)."""
        self.stop(RuntimeError)  # of a training that is tried again: with half of the batch, when memory was short
        self._begin(kwargs)

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Begins to watch, if that was not possible before."""
        self._begin(kwargs)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Stops watching."""
        self.stop()

    def stop(self, failure: type[BaseException] | None = None) -> None:
        """Stops watching, if it does.

        Args:
            failure: kind of the exception that ended the training; ``None``: it came to its end.
        """
        if self.watch is not None and self._watching:
            self._watching = False
            self.watch.__exit__(failure, None, None)

    def _begin(self, given: dict[str, Any]) -> None:
        if not self._watching and given.get("optimizer") is not None and given.get("model") is not None:
            self.watch = watch(given["model"], given["optimizer"], **self._options)
            self._watching = True


_telling: list[Any] = []
"""``Trainer.train`` with what is added below."""


def _tell_of_failures() -> None:
    """Lets ``Trainer.train`` stop our callbacks when it raises: of that Transformers tells no callback anything."""
    kind = cast(Any, Trainer)
    original = kind.train
    if original in _telling:
        return

    @functools.wraps(original)
    def train(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return original(self, *args, **kwargs)
        except BaseException as error:
            for each in self.callback_handler.callbacks:
                if isinstance(each, HeadwaterCallback):
                    each.stop(type(error))
            raise

    kind.train = train
    _telling.append(train)
