"""Broken trainings on data that the detection benchmark does not have, each with its healthy twin."""

from __future__ import annotations

from functools import partial

from torch import nn

from benchmarks.detection.cases_forum import MLP, RNN, TRANSFORMER, reader, recurrent
from benchmarks.detection.forum import asked
from benchmarks.detection.nets import init_, mlp
from benchmarks.detection.nets_sequence import Transformer
from benchmarks.detection.nets_vision import cnn
from benchmarks.detection.problem import Case, Family, adam, adamw, sgd
from benchmarks.repair.data import (
    ASKED,
    CHARACTERS,
    LETTERS,
    SPACES,
    clothes,
    copied,
    flat_clothes,
    next_character,
    python_source,
)

CNN = Family("cnn", asked)
NEW = "held_out"
_PIXELS, _SIDE = 196, 14


def perceptron(depth: int, act: str, how: str | None = None, amount: float = 1.0, inputs: int = _PIXELS, outputs=10):
    return lambda w: init_(mlp(inputs, 100 * w, depth, outputs, act), how, amount)


def convolutions(depth: int, act: str = "relu", how: str | None = None, amount: float = 1.0):
    """`depth` convolutions of 8 channels on 14 x 14 pixels, averaged, under a linear head."""

    def make(w: int) -> nn.Module:
        body = cnn(8 * w, depth, act=act)[:-2]
        return init_(nn.Sequential(*body, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32 * w, 10)), how, amount)

    return make


def gates(amount: float):
    """Adds to the biases of the gates that remember."""
    return recurrent(gate=amount)


def copying(cell: type[nn.Module], width: int = 48, **options: object):
    """Reads letters and blanks, and answers with all letters at the end."""
    return lambda w: nn.Sequential(
        reader(cell, LETTERS + 1, width, ASKED * LETTERS, **options)(w), nn.Unflatten(1, (ASKED, LETTERS))
    )


def typist(cell: type[nn.Module], width: int = 48, **options: object):
    """Predicts the next character of a text."""
    return lambda w: nn.Sequential(
        nn.Embedding(CHARACTERS, 16), reader(cell, 16, width, CHARACTERS, pool="each", **options)(w)
    )


def transcriber(w: int) -> nn.Module:
    """The same with attention."""
    return Transformer(CHARACTERS, 32 * w, 2, CHARACTERS, pool=False, causal=True, length=32)


_CLOTHES = {"data": flat_clothes}
_PICTURES = {"data": clothes, "opt": sgd(0.02, 0.9), "batch": 32, "steps": 150}
_COPY = {"data": partial(copied, 20), "chance": 1 / LETTERS, "opt": adam(5e-3), "batch": 50, "steps": 400}
_TEXT = {"data": partial(python_source, 32), "chance": SPACES, "opt": adam(5e-3), "batch": 32, "steps": 250}
_WINDOW = {"data": partial(next_character, 8), "chance": SPACES, "steps": 400}

# fmt: off
CASES: tuple[Case, ...] = (
    *MLP.pair("clothes-sigmoid-12", "HW101", NEW, {**_CLOTHES, "opt": sgd(0.02, 0.9)},
        {"net": perceptron(12, "sigmoid")}, {"net": perceptron(12, "relu", "he")}),
    *MLP.pair("clothes-relu-default-30", "HW101", NEW, {**_CLOTHES, "opt": adam(1e-3)},
        {"net": perceptron(30, "relu")}, {"net": perceptron(30, "relu", "he")}),
    *MLP.pair("clothes-normal-8", "HW102", NEW, {**_CLOTHES, "opt": sgd(0.01, 0.9)},
        {"net": perceptron(8, "relu", "normal", 0.8)}, {"net": perceptron(8, "relu", "he")}),
    *MLP.pair("clothes-rate-1e-6", "HW401", NEW, {**_CLOTHES, "net": perceptron(3, "relu")},
        {"opt": sgd(1e-6, 0.9)}, {"opt": sgd(0.05, 0.9)}),
    *MLP.pair("clothes-adam-0.5", "HW402", NEW, {**_CLOTHES, "net": perceptron(3, "relu")},
        {"opt": adam(0.5)}, {"opt": adam(1e-3)}),
    *MLP.pair("clothes-tanh-saturated", "HW302", NEW, {**_CLOTHES, "opt": sgd(0.05)},
        {"net": perceptron(4, "tanh", "normal", 4.0)}, {"net": perceptron(4, "tanh", "xavier")}),
    *MLP.pair("clothes-pixels-of-thousands", "HW605", NEW, {"net": perceptron(3, "relu", "he"), "opt": sgd(0.05)},
        {"data": lambda: flat_clothes().map(lambda x: 2000 + 1000 * x)}, _CLOTHES),
    *CNN.pair("clothes-cnn-sigmoid-6", "HW101", NEW, _PICTURES, {"net": convolutions(6, "sigmoid")},
        {"net": convolutions(6, "relu", "he")}, learns=0.5),
    *CNN.pair("clothes-cnn-normal-6", "HW102", NEW, _PICTURES, {"net": convolutions(6, "relu", "normal", 0.5)},
        {"net": convolutions(6, "relu", "he")}, learns=0.5),
    *CNN.pair("clothes-cnn-adam-0.3", "HW402", NEW, {**_PICTURES, "net": convolutions(3, "relu", "he")},
        {"opt": adam(0.3)}, {"opt": adam(3e-3)}, learns=0.5),
    *RNN.pair("copy-rnn", "HW103", NEW, _COPY, {"net": copying(nn.RNN)}, {"net": copying(nn.GRU),
        "spoil": gates(3.0)}),
    *RNN.pair("copy-gru-shut", "HW103", NEW, {**_COPY, "net": copying(nn.GRU)}, {"spoil": gates(-4.0)},
        {"spoil": gates(3.0)}),
    *RNN.pair("copy-lstm-shut", "HW103", NEW, {**_COPY, "net": copying(nn.LSTM)}, {"spoil": gates(-4.0)},
        {"spoil": gates(3.0)}),
    *RNN.pair("text-rnn-normal", "HW202", NEW, {**_TEXT, "net": typist(nn.RNN)}, {"spoil": recurrent(1.0)},
        {"spoil": recurrent(radius=0.9)}, learns=0.1),
    *RNN.pair("text-lstm-rate-1e-6", "HW401", NEW, {**_TEXT, "net": typist(nn.LSTM)}, {"opt": adam(1e-6)},
        {"opt": adam(5e-3)}, learns=0.1),
    *RNN.pair("text-gru-adamw-1", "HW402", NEW, {**_TEXT, "net": typist(nn.GRU)}, {"opt": adamw(1.0)},
        {"opt": adamw(5e-3)}, learns=0.1),
    *RNN.pair("text-gru-sgd-30", "HW402", NEW, {**_TEXT, "net": typist(nn.GRU)}, {"opt": sgd(30.0)},
        {"opt": sgd(1.0, 0.9)}, learns=0.1),
    *TRANSFORMER.pair("text-transformer-rate-1e-7", "HW401", NEW,
        {**_TEXT, "net": transcriber}, {"opt": adamw(1e-7)},
        {"opt": adamw(3e-3)}, learns=0.05),
    *MLP.pair("text-sigmoid-10", "HW101", NEW, {**_WINDOW, "opt": adam(1e-3)},
        {"net": perceptron(10, "sigmoid", inputs=8 * CHARACTERS, outputs=CHARACTERS)},
        {"net": perceptron(10, "relu", "he", inputs=8 * CHARACTERS, outputs=CHARACTERS)}, learns=0.05),
)
# fmt: on
