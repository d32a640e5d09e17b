"""The compiled part: plain values. The package's own classes are what to use."""

from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy
import numpy.typing

__version__: str

class DuchenneError(Exception):
    """What the library refuses, in its own words."""

FaceValues = tuple[
    list[int], float | None, float | None, list[list[float]] | None, list[float]
]
PictureValues = tuple[str | None, int, int, str | None, list[FaceValues]]

TrackedValues = tuple[int, FaceValues, list[float] | None]
FrameValues = tuple[int, float, int, int, list[TrackedValues]]

class Video:
    def __iter__(self) -> Video: ...
    def __next__(self) -> FrameValues: ...
    @property
    def warning(self) -> str | None: ...

class Recognizer:
    def __new__(
        cls,
        models: Sequence[Any],
        device: str,
        threads: int | None,
        views: str,
        min_face: int | None,
        min_score: float | None,
        whole: bool,
    ) -> Recognizer: ...
    @property
    def classes(self) -> list[str]: ...
    def recognize_video(
        self,
        path: PathLike[str],
        from_: float | None,
        to: float | None,
        every: float | None,
        smooth: float | None,
        search_every: float,
        ffmpeg: PathLike[str],
        /,
    ) -> Video: ...
    def recognize(self, pictures: Sequence[Any]) -> list[PictureValues]: ...
    def probabilities(
        self, faces: numpy.typing.NDArray[numpy.uint8]
    ) -> numpy.typing.NDArray[numpy.float32]: ...

def run(arguments: Sequence[str]) -> int: ...
def describe(path: PathLike[str]) -> str: ...
def train(
    recipe: str,
    data: PathLike[str],
    run: PathLike[str],
    settings: Sequence[str],
    initial: PathLike[str] | None,
    teachers: Sequence[PathLike[str]],
    synthetic: Sequence[PathLike[str]],
    device: str,
    told: Callable[[str], object] | None,
) -> Path: ...
def evaluate_model(
    models: Sequence[PathLike[str]],
    data: PathLike[str],
    split: str,
    views: str,
    labels: str | None,
    device: str,
) -> str: ...
def compare(
    models: Sequence[PathLike[str]],
    data: PathLike[str],
    split: str,
    views: str,
    labels: str | None,
    device: str,
) -> str: ...
def fit_svm(
    features: numpy.typing.NDArray[numpy.float32],
    labels: numpy.typing.NDArray[numpy.uint8],
    class_weights: Sequence[float],
    settings: Sequence[str],
) -> tuple[
    numpy.typing.NDArray[numpy.float64],
    numpy.typing.NDArray[numpy.float64],
    list[int],
    list[bool],
]: ...
def generate(
    generator: PathLike[str],
    expression: str | None,
    count: int,
    seed: int,
    side: int,
) -> numpy.typing.NDArray[numpy.uint8]: ...
def evaluate(
    split: str,
    classes: Sequence[str],
    labels: numpy.typing.NDArray[numpy.uint8],
    logits: numpy.typing.NDArray[numpy.float32],
    temperature: float | None,
    validation: tuple[
        numpy.typing.NDArray[numpy.uint8], numpy.typing.NDArray[numpy.float32]
    ]
    | None,
    seen: Sequence[bool] | None,
    votes: numpy.typing.NDArray[numpy.uint8] | None,
) -> str: ...
