"""Norms against a slow float64 computation, over all magnitudes."""

from __future__ import annotations

import math
import weakref

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.profiler import profile

from headwater.measure import norms
from headwater.measure.norms import NormBook, any_nonzero, frobenius, vector_norm


def _slow(values: list[float]) -> float:
    return math.hypot(*values)


@given(
    st.lists(st.floats(-1, 1).filter(lambda v: v == 0 or abs(v) > 1e-3), min_size=1, max_size=30),
    st.integers(-38, 37),
)
def test_float32_over_its_whole_range(values: list[float], exponent: int) -> None:
    tensor = torch.tensor(values, dtype=torch.float64).mul(10.0**exponent).float()
    assert frobenius(tensor) == pytest.approx(_slow(tensor.double().tolist()), rel=1e-5, abs=1e-50)


def test_any_nonzero_looks_at_all_and_takes_nan_for_one() -> None:
    values = torch.zeros(3, 40)
    assert not any_nonzero(values) and not any_nonzero(torch.empty(0))
    values[2, 39] = 1e-40
    assert any_nonzero(values)
    assert any_nonzero(torch.tensor([0.0, float("nan")]))


def test_half_precision_does_not_overflow() -> None:
    assert frobenius(torch.full((100,), 1e4, dtype=torch.float16)) == pytest.approx(1e5)


def test_float32_squares_that_would_underflow_or_overflow() -> None:
    assert frobenius(torch.full((4,), 1e-30)) == pytest.approx(2e-30)
    assert frobenius(torch.full((4,), 1e30)) == pytest.approx(2e30)


def test_float64_squares_that_would_overflow() -> None:
    assert frobenius(torch.full((4,), 1e200, dtype=torch.float64)) == pytest.approx(2e200)


def test_only_zeros_have_norm_zero_and_only_infinities_an_infinite_one() -> None:
    assert frobenius(torch.zeros(3)) == 0.0
    assert frobenius(torch.empty(0)) == 0.0
    assert frobenius(torch.tensor([1.0, math.inf])) == math.inf
    assert math.isnan(frobenius(torch.tensor([1.0, math.nan])))


def test_sparse_complex_and_expanded_tensors() -> None:
    sparse = torch.sparse_coo_tensor([[0, 0, 2]], [3.0, 3.0, 8.0], (5,), check_invariants=True)
    assert frobenius(sparse) == pytest.approx(10.0)
    assert frobenius(torch.tensor([3 + 4j])) == pytest.approx(5.0)
    assert frobenius(torch.ones(1).expand(9)) == pytest.approx(3.0)


def test_book_joins_what_is_added_under_one_key() -> None:
    book = NormBook()
    book.add((0, -1), torch.tensor([3.0]))
    book.add((0, -1), torch.tensor([4.0]))
    assert book.read() == {(0, -1): pytest.approx(5.0)}


def test_book_looks_once_at_a_tensor_that_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[torch.Tensor] = []

    def look(tensor: torch.Tensor) -> float:
        looked.append(tensor)
        return frobenius(tensor)

    monkeypatch.setattr(norms, "frobenius", look)
    book, same = NormBook(), torch.tensor([3.0])
    book.add((0, 0), same)
    book.add((1, -1), same)
    assert len(looked) == 1
    same.mul_(2.0)  # as a hook between two operations may do
    book.add((2, -1), same)
    assert book.read() == {(0, 0): 3.0, (1, -1): 3.0, (2, -1): 6.0} and len(looked) == 2


def test_book_keeps_no_tensor_and_takes_none_for_another() -> None:
    book = NormBook()
    for value in range(1000):  # each where the one before it was, mostly with its identity
        book.add((value, 0), torch.tensor([float(value)]))
    assert book.read() == {(value, 0): float(value) for value in range(1000)}
    gone = weakref.ref(tensor := torch.ones(1))
    book.add((0, 0), tensor)
    del tensor
    assert gone() is None


@pytest.mark.parametrize("size", [1, 7, 1_000_003, 20_000_000])
def test_many_numbers_add_up(size: int) -> None:
    torch.manual_seed(0)
    values = torch.randn(size) + 1.0
    assert frobenius(values) == pytest.approx(math.sqrt(float(values.double().square().sum())), rel=1e-6)
    assert float(vector_norm(values, torch.float32)) == pytest.approx(frobenius(values), rel=1e-6)


def test_many_numbers_of_any_layout_and_precision_add_up() -> None:
    torch.manual_seed(0)
    plain = torch.randn(20, 100, 40, 50) + 1.0
    half, image = plain.bfloat16(), plain.to(memory_format=torch.channels_last)
    layouts = (plain, plain.double(), half, half.transpose(0, 2), plain.mT, image, plain[..., ::2], image[:, ::2])
    for each in (*layouts, torch.ones(1).expand(2**20)):
        expected = math.sqrt(float(each.double().square().sum()))
        assert frobenius(each) == pytest.approx(expected, rel=2e-6)
    assert frobenius(torch.full((1_000_000,), 1e30)) == pytest.approx(1e33, rel=1e-4)
    assert frobenius(torch.full((1_000_000,), 1e-30)) == pytest.approx(1e-27, rel=1e-4)
    assert frobenius(torch.cat([torch.zeros(999_999), torch.tensor([math.inf])])) == math.inf
    assert math.isnan(frobenius(torch.cat([torch.zeros(999_999), torch.tensor([math.nan])])))


def test_many_numbers_without_gaps_are_not_copied() -> None:
    values = torch.randn(20, 100, 40, 50).to(memory_format=torch.channels_last)
    with profile(profile_memory=True) as seen:
        frobenius(values)
    assert sum(max(0, each.self_cpu_memory_usage) for each in seen.key_averages()) < values.nbytes / 10


def test_the_layout_makes_no_difference() -> None:
    torch.manual_seed(0)
    values = torch.randn(40, 3, 5, 5)
    for each in (values.transpose(0, 1), values.to(memory_format=torch.channels_last)):
        assert frobenius(each) == pytest.approx(frobenius(values), rel=1e-6)
    assert frobenius(torch.tensor(-3.0)) == 3.0
    assert frobenius(values[::2]) == pytest.approx(float(values[::2].double().norm()), rel=1e-6)
