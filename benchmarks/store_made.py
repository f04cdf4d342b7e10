"""Chunks made for the store's benchmarks: texts of made-up words, and vectors in clusters."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

DIMENSION, ASKED, TOP = 384, 200, 10
SEED = 20
_CLUSTERS, _SPREAD, _DIRECTIONS = 1_000, 0.9, 24
_WORDS, _WORDS_OF_CHUNK = 30_000, 120

Vectors = np.ndarray[Any, np.dtype[np.float32]]


def make(folder: Path, size: int) -> None:
    """Writes `texts.json`, `vectors.npy` (size, 384) and `questions.npy` (200, 384), unit float32.

    A vector is its cluster's middle with something added along 24 directions that all share: neighbours lie
    at different distances, as those of real texts do. The questions are made as the vectors are.
    """
    chance = np.random.default_rng(SEED)
    middles = chance.standard_normal((_CLUSTERS, DIMENSION), np.float32) / np.sqrt(DIMENSION)
    directions = chance.standard_normal((_DIRECTIONS, DIMENSION), np.float32) / np.sqrt(DIMENSION)
    vectors = np.lib.format.open_memmap(folder / "vectors.npy", "w+", np.float32, (size, DIMENSION))
    for first in range(0, size, 100_000):
        last = min(first + 100_000, size)
        vectors[first:last] = _some(chance, last - first, middles, directions)
    vectors.flush()
    np.save(folder / "questions.npy", _some(chance, ASKED, middles, directions))
    (folder / "texts.json").write_text(json.dumps(_texts(chance, size)), encoding="utf-8")


def _some(chance: np.random.Generator, number: int, middles: Vectors, directions: Vectors) -> Vectors:
    along = _SPREAD * chance.standard_normal((number, _DIRECTIONS), np.float32) / np.sqrt(_DIRECTIONS)
    found = middles[chance.integers(0, _CLUSTERS, number)] + along @ directions * np.sqrt(_DIRECTIONS)
    unit: Vectors = found / np.linalg.norm(found, axis=1, keepdims=True)
    return unit


def _texts(chance: np.random.Generator, size: int) -> list[str]:
    """Words drawn as often as Zipf's law has them, some 800 characters a chunk."""
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    words = np.array(
        ["".join(letters[chance.integers(0, 26, length)]) for length in chance.integers(3, 10, _WORDS)]
    )
    weights = 1 / np.arange(1, _WORDS + 1)
    limits = np.cumsum(weights / weights.sum())
    texts = []
    for _ in range(size):
        drawn = np.searchsorted(limits, chance.random(_WORDS_OF_CHUNK)).clip(max=_WORDS - 1)
        texts.append(" ".join(words[drawn]))
    return texts


def exact_scores(vectors: Vectors, questions: Vectors) -> Vectors:
    """Cosines of each question's ten best, best first, shape (questions, 10)."""
    best = np.full((len(questions), TOP), -2, np.float32)
    for first in range(0, len(vectors), 100_000):
        scores = questions @ np.asarray(vectors[first : first + 100_000]).T
        best = -np.sort(-np.concatenate([best, scores], axis=1), axis=1)[:, :TOP]
    return best


def recall(vectors: Vectors, questions: Vectors, best: Vectors, found: list[list[int]]) -> float:
    """Mean share of the ten best that were found; of equal scores any will do."""
    shares = []
    for question, wanted, rows in zip(questions, best, found, strict=True):
        scores = np.asarray(vectors[sorted(set(rows))]) @ question
        shares.append(float((scores >= wanted[-1] - 1e-6).sum()) / TOP)
    return float(np.mean(shares))
