"""For a subprocess of a test, by PYTHONPATH: lets `import torchvision` pass where its binary cannot be loaded.

The registry's torchvision is built for CUDA. Beside a CPU build of torch its import raises, and with it that of every
library that looks whether it is there (Transformers, and Lightning by torchmetrics), though none of them needs more
than its Python parts. The scripts of examples/ are people's own and must not know of this.
"""

from __future__ import annotations

import importlib.machinery
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType


class _Torchvision:
    """Declares the operators that torchvision names at import, just before it is first looked up."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name == "torchvision":
            sys.meta_path.remove(self)
            spec = importlib.machinery.PathFinder.find_spec(name)
            if spec is not None and spec.origin is not None:
                _declare(Path(spec.origin).with_name("_C.so"))
        return None


def _declare(binary: Path) -> None:
    import torch

    try:
        torch.ops.load_library(binary)
    except OSError:
        for name in ("nms", "qnms"):
            torch.library.define(f"torchvision::{name}", "(Tensor dets, Tensor scores, float threshold) -> Tensor")


sys.meta_path.insert(0, _Torchvision())
