"""Figures of anybody's model, under the evaluation protocol."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy
import numpy.typing

from . import _duchenne


def evaluate(
    labels: numpy.typing.ArrayLike,
    logits: numpy.typing.ArrayLike,
    classes: Sequence[str],
    *,
    split: str = "test",
    validation: tuple[numpy.typing.ArrayLike, numpy.typing.ArrayLike] | None = None,
    temperature: float | None = None,
    seen_in_training: Sequence[bool] | None = None,
    votes: numpy.typing.ArrayLike | None = None,
) -> dict[str, Any]:
    """The report of ``duchenne eval`` for the outputs of any model, as plain dictionaries.

    Accuracy with Wilson's interval, macro-F1 and balanced accuracy with bootstrap intervals, figures of every class, the
    confusion matrix, NLL, Brier score and ECE as given and calibrated; the same without images that are identical to a
    training image; the FER+ view and the distance to all votes where there are votes.

    Parameters
    ----------
    labels: n whole numbers, each an index into ``classes``.
    logits: n x classes, the outputs before softmax; or logarithms of probabilities, of which zeros are clipped to a small number
        first.
    classes: the names of the classes, 2 to 256.
    split: what the images are, for the report.
    validation: labels and logits of the validation split, which fits the temperature.
    temperature: divides the logits, in place of a fitted one; 1 where neither is given.
    seen_in_training: for each image whether it is identical to a training image.
    votes: n x 10 counts of FER+'s raters: eight classes, unknown, no face.
    """
    report = _duchenne.evaluate(
        split,
        list(classes),
        _labels(labels),
        _logits(logits),
        temperature,
        None if validation is None else (_labels(validation[0]), _logits(validation[1])),
        None if seen_in_training is None else [bool(seen) for seen in seen_in_training],
        None if votes is None else _votes(votes),
    )
    loaded: dict[str, Any] = json.loads(report)
    return loaded


def _labels(labels: numpy.typing.ArrayLike) -> numpy.typing.NDArray[numpy.uint8]:
    array = numpy.asarray(labels)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise ValueError(f"labels are {array.dtype} of shape {array.shape}, expected n whole numbers")
    if array.size and (array.min() < 0 or array.max() > 255):
        raise ValueError(f"labels are {array.min()} to {array.max()}, expected 0 to 255")
    return array.astype(numpy.uint8)


def _logits(logits: numpy.typing.ArrayLike) -> numpy.typing.NDArray[numpy.float32]:
    array = numpy.asarray(logits, dtype=numpy.float64)
    if array.ndim != 2:
        raise ValueError(f"logits have shape {array.shape}, expected (n, classes)")
    # Beyond, softmax knows no difference, and numbers of 32 bits end.
    if not (numpy.abs(array) < 1e30).all():
        raise ValueError("logits hold NaN, infinite or enormous values: clip probabilities before taking logarithms")
    return numpy.ascontiguousarray(array, dtype=numpy.float32)


def _votes(votes: numpy.typing.ArrayLike) -> numpy.typing.NDArray[numpy.uint8]:
    array = numpy.asarray(votes)
    if array.ndim != 2 or array.shape[1] != 10 or array.dtype.kind not in "iu":
        raise ValueError(f"votes are {array.dtype} of shape {array.shape}, expected whole numbers, n x 10")
    if array.size and (array.min() < 0 or array.max() > 255):
        raise ValueError(f"votes are {array.min()} to {array.max()}, expected 0 to 255")
    return numpy.ascontiguousarray(array, dtype=numpy.uint8)
