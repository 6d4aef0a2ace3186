"""The public face is frozen: a new name is a decision, and is added here."""

import subprocess
import sys

import headwater


def test_the_public_names():
    assert headwater.__all__ == ["__version__", "diagnose", "errors", "fix", "predict", "testing", "trace", "watch"]
    assert dir(headwater) == sorted(headwater.__all__)
    for name in headwater.__all__:
        assert getattr(headwater, name) is not None


def test_an_unknown_name_is_an_attribute_error():
    assert not hasattr(headwater, "diagnoze")


def test_a_name_stays_the_function_when_its_module_is_imported_first():
    _python("import headwater.predict; assert headwater.predict('relu', init='he').gain > 0.99")
    _python("import headwater.diagnose; assert headwater.diagnose.__name__ == 'diagnose'; callable(headwater.diagnose)")


def test_importing_headwater_does_not_import_torch():
    _python("import headwater, headwater.errors, headwater.rules, sys; assert 'torch' not in sys.modules")


def test_a_prediction_by_name_does_not_import_torch():
    _python("import headwater, sys; headwater.predict('gelu'); assert 'torch' not in sys.modules")


def _python(code: str) -> None:
    subprocess.run([sys.executable, "-c", code], check=True)
