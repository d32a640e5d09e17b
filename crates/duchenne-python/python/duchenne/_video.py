"""Faces over time."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

from . import _duchenne
from ._recognizer import LANDMARKS, Face, Recognizer, face_of

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class TrackedFace(Face):
    """A face of a clip's frame."""

    #: Its number in the clip, from 1: the same for as long as it is followed.
    track: int
    #: Probabilities smoothed over time, by class; None where that was not asked for.
    smoothed: dict[str, float] | None


@dataclass(frozen=True)
class Frame(Sequence[TrackedFace]):
    """A frame of a clip: a sequence of its faces, by their numbers."""

    #: Its place among the frames that were looked at, from 0.
    index: int
    #: When it is shown, in seconds from the clip's beginning.
    time: float
    #: Width and height in pixels.
    width: int
    height: int
    faces: tuple[TrackedFace, ...]

    @overload
    def __getitem__(self, index: int) -> TrackedFace: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[TrackedFace, ...]: ...
    def __getitem__(self, index: int | slice) -> TrackedFace | tuple[TrackedFace, ...]:
        return self.faces[index]

    def __len__(self) -> int:
        return len(self.faces)


class Video(Iterator[Frame]):
    """The frames of a clip, recognised as they are asked for; what :meth:`Recognizer.recognize_video` gives.

    Its memory does not grow with the clip. Warns at the end where the clip is cut off or damaged.
    """

    def __init__(
        self,
        recognizer: Recognizer,
        path: str | os.PathLike[str],
        start: float | None,
        end: float | None,
        every: float | None,
        smooth: float | None,
        search_every: float,
        ffmpeg: str | os.PathLike[str],
    ) -> None:
        self.path = os.fspath(path)
        self.classes = tuple(recognizer.classes)
        self._smooths = smooth is not None
        self._frames: _duchenne.Video = recognizer._recognizer.recognize_video(
            self.path, start, end, every, smooth, search_every, ffmpeg
        )

    def __iter__(self) -> Video:
        return self

    def __next__(self) -> Frame:
        try:
            index, time, width, height, faces = next(self._frames)
        except StopIteration:
            if self._frames.warning is not None:
                warnings.warn(f"{self.path} {self._frames.warning}", stacklevel=2)
            raise
        return Frame(index, time, width, height, tuple(self._face(face) for face in faces))

    def _face(self, value: _duchenne.TrackedValues) -> TrackedFace:
        track, plain, smoothed = value
        face = face_of(plain, self.classes)
        over_time = None if smoothed is None else dict(zip(self.classes, smoothed, strict=True))
        return TrackedFace(
            face.box, face.score, face.angle, face.landmarks, face.probabilities, track, over_time
        )

    def to_pandas(self) -> pandas.DataFrame:
        """The frames that are left as a table, a row a face: ``frame``, ``time``, ``track``, then the columns of
        :meth:`Results.to_pandas` from ``x`` on, and with smoothing ``smoothed_expression`` and a ``smoothed_`` column for each
        class. Needs pandas."""
        import pandas

        names = ["frame", "time", "track", "x", "y", "width", "height", "score", "angle"]
        names += [f"{name}_{axis}" for name in LANDMARKS for axis in "xy"]
        names += ["expression", "confidence", *self.classes]
        if self._smooths:
            names += ["smoothed_expression", *(f"smoothed_{name}" for name in self.classes)]
        rows: list[list[Any]] = []
        for frame in self:
            for face in frame:
                row: list[Any] = [frame.index, frame.time, face.track, *face.box, face.score, face.angle]
                for name in LANDMARKS:
                    row += face.landmarks[name] if face.landmarks else (None, None)
                row += [face.expression, face.confidence, *face.probabilities.values()]
                if face.smoothed is not None:
                    row += [max(face.smoothed, key=face.smoothed.__getitem__), *face.smoothed.values()]
                rows.append(row)
        return pandas.DataFrame(rows, columns=names)
