from __future__ import annotations

from dataclasses import replace

from headwater.rules.disconnected_parameter import check
from tests.rules.build import NAMES, chain, weight, with_parameters


def test_most_of_the_network_cut_off_is_an_error():
    found = check(with_parameters(chain(), NAMES[:8], gradient="none"))
    assert found is not None and found.severity == "error" and found.remedies == ("reconnect",)
    assert "8 parameters of fc1, fc2, fc3 and 5 more, 67 %" in found.message


def test_a_cut_first_layer_is_a_warning():
    found = check(with_parameters(chain(), NAMES[:1], gradient="none"))
    assert found is not None and found.severity == "warning"


def test_a_module_that_did_not_run_is_an_info():
    """Trap 5: unused branches and heads; trap 19: experts."""
    for called in (False, None):
        found = check(with_parameters(chain(), NAMES[:8], gradient="none", called=called))
        assert found is not None and found.severity == "info"


def test_a_small_pooler_that_the_loss_ignores_is_an_info():
    measurement = chain()
    pooler = weight("pooler", shape=(16, 16), gradient="none")
    found = check(chain(parameters=(*measurement.parameters, pooler)))
    assert found is not None and found.severity == "info"


def test_frozen_parameters_are_silent():
    """Trap 5: None is not zero, and frozen is not lost."""
    assert check(with_parameters(chain(), NAMES[:8], gradient="none", trainable=False)) is None


def test_a_connected_network_is_silent():
    assert check(chain()) is None


def test_a_spare_parameter_beside_used_ones_is_an_info():
    """XLNet's segment embedding without segments: its module learns through its other parameters."""
    spare = replace(weight("attn", shape=(2, 64), gradient="none"), name="attn.seg_embed")
    found = check(replace(chain(), parameters=(weight("attn", gradient="nonzero"), spare)))
    assert found is not None and found.severity == "info"


def test_a_large_parameter_is_no_spare():
    large = replace(weight("attn", gradient="none"), name="attn.seg_embed")
    found = check(replace(chain(), parameters=(weight("attn", gradient="nonzero"), large)))
    assert found is not None and found.severity == "warning"


def test_a_parameter_of_the_root_that_was_cut_off_is_no_spare():
    cut = replace(weight("projection", gradient="none"), name="projection", module="")
    small = replace(cut, shape=(8, 8))
    found = check(replace(chain(), parameters=(small, *chain().parameters)))
    assert found is not None and found.severity == "warning"
