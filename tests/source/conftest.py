from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from tests.source.userfile import USER_FILE


@pytest.fixture
def user(tmp_path: Path) -> ModuleType:
    """The user's file, written and imported."""
    path = tmp_path / "net.py"
    path.write_text(USER_FILE)
    spec = importlib.util.spec_from_file_location("users_net", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
