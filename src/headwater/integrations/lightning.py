"""A callback for Lightning's Trainer.

trainer = Trainer(callbacks=[HeadwaterCallback(run_dir="runs/x")])
trainer.fit(module)
trainer.callbacks[0].watch.report().print()
"""

from __future__ import annotations

from typing import Any

from headwater.integrations.missing import missing
from headwater.watch import Watch, watch

try:
    from lightning.pytorch import Callback
except ImportError:
    try:
        from pytorch_lightning import Callback  # pyright: ignore
    except ImportError as error:
        raise missing("Lightning", "lightning") from error


class HeadwaterCallback(Callback):  # pyright: ignore
    """Watches the module while ``Trainer.fit`` trains it.

    Args:
        options: as for `headwater.watch`: `run_dir`, `budget`, `on_event`, `sinks`.

    Attributes:
        watch: what watches, from the start of ``fit`` on; its `report` stays possible afterwards.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self._options = options
        self.watch: Watch | None = None

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Begins to watch; the optimizers are there by now."""
        named = {str(place): each for place, each in enumerate(trainer.optimizers)}
        self.watch = watch(pl_module, named if len(named) > 1 else trainer.optimizers[0], **self._options)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Stops watching."""
        self._close()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Stops watching when the training fails or is interrupted."""
        if self.watch is not None:
            self.watch.__exit__(type(exception), exception, None)

    def _close(self) -> None:
        if self.watch is not None:
            self.watch.close()
