"""What the demo tells is true: each outcome from a real, shorter training, each gain against theory."""

import pytest

from headwater.study.data import load_dataset
from headwater.study.demo import PLANS, Chapter, run_chapter, story

pytest.importorskip("sklearn")

SHORT = 300  # of 1500 steps: enough to tell a network that learns from one that does not


@pytest.fixture(scope="module")
def chapters() -> dict[str, Chapter]:
    data = load_dataset("digits")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(story, "RETRY_STEPS", 100)
        return {plan.key: run_chapter(plan, data, steps=SHORT) for plan in PLANS}


def test_the_shallow_network_learns_and_the_deep_one_does_not(chapters):
    assert chapters["shallow"].training.outcome == "learned"
    assert chapters["deep"].training.outcome == "nothing"
    assert chapters["deep"].training.accuracy < 0.2


def test_relu_alone_learns_nothing_either(chapters):
    assert chapters["relu"].training.outcome == "nothing"


def test_with_he_initialisation_the_same_network_learns(chapters):
    assert chapters["he"].training.final_loss < 0.85 * chapters["he"].training.chance


def test_another_rate_is_tried_only_where_nothing_was_learned(chapters):
    assert {key: len(chapter.retries) for key, chapter in chapters.items()} == {
        "shallow": 0,
        "deep": 2,
        "relu": 2,
        "he": 0,
    }
    assert all(retry.outcome == "nothing" for key in ("deep", "relu") for retry in chapters[key].retries)


# Mean field, e.g. Schoenholz et al. 2017, "Deep Information Propagation"; at width 128 a layer's gain scatters.
@pytest.mark.parametrize(("key", "gain"), [("deep", 0.1413), ("relu", 0.4082), ("he", 1.0)])
def test_the_gain_per_layer_is_the_predicted_one(chapters, key, gain):
    assert chapters[key].report.profile.gain == pytest.approx(gain, rel=0.05)


def test_the_diagnoses(chapters):
    for key in ("deep", "relu"):
        assert chapters[key].report.findings[0].code == "HW101"
        assert chapters[key].report.findings[0].severity == "error"
    assert chapters["shallow"].report.healthy
    assert chapters["he"].report.healthy
