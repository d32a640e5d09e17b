"""Training, evaluation and comparison of models; generated faces."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Union

import numpy
import numpy.typing

from . import _duchenne
from ._data import DataSet

PathLike = Union[str, "os.PathLike[str]"]
Models = Union[PathLike, Sequence[PathLike]]


def train(
    recipe: PathLike,
    data: PathLike | DataSet,
    run: PathLike,
    *,
    epochs: int | None = None,
    settings: Mapping[str, Any] | None = None,
    init: PathLike | None = None,
    teachers: Models = (),
    synthetic: Models = (),
    device: str = "cpu",
    callback: Callable[[dict[str, Any]], object] | None = None,
) -> Path:
    """Trains a classifier, and returns the path of its best model, calibrated. The same call resumes a run that was stopped.

    Ctrl-C and an exception of ``callback`` stop it after the batch, with its state saved.

    Parameters
    ----------
    recipe: the name of a built-in recipe (``compact``, ``wide-votes``, ``resnet50``, ...: ``duchenne train --help``), or a file.
    data: a packed data set with a training and a validation split (or ``settings={"training.validation": 0.1}``).
    run: the directory of the run.
    epochs: instead of the recipe's.
    settings: settings of the recipe to replace, such as ``{"training.learning_rate": 0.01}``.
    init: a model to start from, a file or a built-in name.
    teachers: trained models to learn from beside the labels.
    synthetic: packed sets of generated faces, which join the training split.
    callback: is called with a dictionary: ``{"event": "epoch", "epoch", "epochs", "training_loss", "training_accuracy",
        "validation_loss", "validation_accuracy", "learning_rate", "best", "seconds", "seconds_left"}``, ``{"event": "progress",
        "work", "done", "total"}`` (at most ten a second) or ``{"event": "note", "message"}``.
    """
    replaced = dict(settings or {})
    if epochs is not None:
        replaced["training.epochs"] = epochs
    told = None if callback is None else lambda event: callback(json.loads(event))
    best = _duchenne.train(
        os.fspath(recipe),
        _path(data),
        Path(run),
        [f"{key}={_toml(key, value)}" for key, value in replaced.items()],
        None if init is None else Path(init),
        _several(teachers),
        _several(synthetic),
        device,
        told,
    )
    return Path(best)


def evaluate_model(
    model: Models,
    data: PathLike | DataSet,
    *,
    split: str = "validation",
    views: str = "mirrored",
    labels: str | None = None,
    device: str = "cpu",
) -> dict[str, Any]:
    """The report of ``duchenne eval`` as plain dictionaries: figures with intervals, each class, confusion, calibration, without
    duplicates, the FER+ view.

    ``model`` is a file, a built-in name, or several of them, whose probabilities are averaged; ``labels="ferplus"`` scores by the
    majority of raters. The temperature is fitted on the validation split. Choose on ``"validation"``; look at ``"test"`` once.
    """
    report = _duchenne.evaluate_model(_paths(model), _path(data), split, views, labels, device)
    loaded: dict[str, Any] = json.loads(report)
    return loaded


def compare(
    models: Sequence[PathLike],
    data: PathLike | DataSet,
    *,
    split: str = "validation",
    views: str = "mirrored",
    labels: str | None = None,
    device: str = "cpu",
) -> dict[str, Any]:
    """Models on the same pictures, as ``duchenne compare``: accuracy with intervals, the difference of each to the first with
    McNemar's test, and trainings of several seeds summed up."""
    compared = _duchenne.compare(_paths(models), _path(data), split, views, labels, device)
    loaded: dict[str, Any] = json.loads(compared)
    return loaded


def generate(
    generator: PathLike, count: int, *, expression: str | None = None, seed: int = 0, size: int = 48
) -> numpy.typing.NDArray[numpy.uint8]:
    """Faces by a trained generator (``duchenne gan train``): uint8, count x size x size.

    ``expression`` names one of the generator's classes, where it knows several. Seed, class and number decide a face, however
    many are asked for.
    """
    if count < 0 or size < 1:
        raise ValueError(f"count = {count}, size = {size}: expected a count and a side in pixels")
    return _duchenne.generate(Path(generator), expression, count, seed, size)


def _path(data: PathLike | DataSet) -> Path:
    return data.path if isinstance(data, DataSet) else Path(data)


def _several(paths: Models) -> list[Path]:
    given = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    return [Path(path) for path in given]


def _paths(models: Models) -> list[Path]:
    given = _several(models)
    if not given:
        raise ValueError("no model was named")
    return given


def _toml(key: str, value: Any) -> str:
    """A value of a recipe: a word, a number, true or false, or a list of them."""
    if isinstance(value, (numpy.generic, numpy.ndarray)):
        value = value.tolist()
    if value is None or isinstance(value, Mapping):
        raise ValueError(f"settings[{key!r}] = {value!r}, expected a value such as 0.1, 'cosine', True or [0.1, 0.2]")
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"settings[{key!r}] = {value!r}: {error}") from error
