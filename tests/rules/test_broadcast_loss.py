from __future__ import annotations

from headwater.records import Finding, HeadOp, HeadRecord
from headwater.rules.broadcast_loss import check
from tests.rules.build import chain


def judged(*ops: HeadOp, output: tuple[int, ...], target: tuple[int, ...] | None) -> Finding | None:
    return check(chain(head=HeadRecord(ops=ops, output_shape=output, target_shape=target)))


def difference(signal: tuple[int, ...], result: tuple[int, ...]) -> tuple[HeadOp, HeadOp]:
    return HeadOp("Mean", "other", (), (result,)), HeadOp("Sub", "other", result, (signal,), constant_operand=True)


def test_column_against_row_by_hand_is_an_error():
    found = judged(*difference((32, 1), (32, 32)), output=(32, 1), target=(32,))
    assert found is not None and found.severity == "error" and "[32, 1] against targets of shape [32]" in found.message


def test_row_against_column_in_a_loss_of_pytorch_is_an_error():
    ops = (
        HeadOp("SmoothL1Loss", "other", (), ((32, 32),), constant_operand=True),
        HeadOp("Expand", "other", (32, 32), ((32,),)),
        HeadOp("Squeeze", "other", (32,), ((32, 1),)),
    )
    assert judged(*ops, output=(32,), target=(32, 1)) is not None


def test_feature_maps_count_too():
    assert judged(*difference((8, 1, 5, 5), (8, 8, 5, 5)), output=(8, 1, 5, 5), target=(8, 5, 5)) is not None


def test_equal_shapes_are_silent():
    assert judged(*difference((32, 1), (32, 1)), output=(32, 1), target=(32, 1)) is None


def test_pairwise_loss_of_two_signals_is_silent():
    op = HeadOp("Sub", "other", (32, 32), ((32, 1), (1, 32)))
    assert judged(op, output=(32,), target=(32,)) is None


def test_an_axis_added_on_purpose_is_silent():
    ops = (*difference((32, 1), (32, 32)), HeadOp("Unsqueeze", "other", (32, 1), ((32,),)))
    assert judged(*ops, output=(32,), target=(32,)) is None


def test_several_quantiles_against_one_target_are_silent():
    assert judged(*difference((32, 5), (32, 5)), output=(32, 5), target=(32, 1)) is None


def test_unknown_targets_are_silent():
    assert judged(*difference((32, 1), (32, 32)), output=(32, 1), target=None) is None


def test_one_sample_cannot_broadcast():
    assert judged(*difference((1, 1), (1, 1)), output=(1, 1), target=(1,)) is None
