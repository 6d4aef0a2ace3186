"""A callback for the Trainer of Transformers.

callback = HeadwaterCallback(run_dir="runs/x")
Trainer(model, arguments, train_dataset=data, callbacks=[callback]).train()
callback.watch.report().print()
"""

from __future__ import annotations

from typing import Any

from headwater.integrations.missing import missing
from headwater.watch import Watch, watch

try:
    from transformers import TrainerCallback
except ImportError as error:
    raise missing("Transformers", "transformers") from error


class HeadwaterCallback(TrainerCallback):
    """Watches the model while ``Trainer.train`` trains it.

    Args:
        options: as for `headwater.watch`: `run_dir`, `budget`, `on_event`, `sinks`.

    Attributes:
        watch: what watches, from the start of the training on; its `report` stays possible afterwards.
    """

    def __init__(self, **options: Any) -> None:
        self._options = options
        self.watch: Watch | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Begins to watch, unless the optimizer is made later (sharded training)."""
        self._begin(kwargs)

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Begins to watch, if that was not possible before."""
        self._begin(kwargs)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Stops watching."""
        if self.watch is not None:
            self.watch.close()

    def _begin(self, given: dict[str, Any]) -> None:
        if self.watch is None and given.get("optimizer") is not None and given.get("model") is not None:
            self.watch = watch(given["model"], given["optimizer"], **self._options)
