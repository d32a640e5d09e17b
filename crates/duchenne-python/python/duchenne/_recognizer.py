"""The recogniser and its results."""

from __future__ import annotations

import io
import os
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Union, overload

import numpy
import numpy.typing

from . import _duchenne
from ._duchenne import DuchenneError

if TYPE_CHECKING:
    import pandas
    import PIL.Image
    import pyarrow

    from ._video import Video

    PictureLike = Union[
        str,
        os.PathLike[str],
        bytes,
        PIL.Image.Image,
        numpy.typing.NDArray[numpy.uint8],
    ]

#: The names of the five landmarks, in their order; right and left are the person's.
LANDMARKS = ("right_eye", "left_eye", "nose", "right_mouth", "left_mouth")


#: Pictures that are handed over together for each thread, and the most bytes of those that are arrays.
AT_ONCE = 4
BYTES_AT_ONCE = 1 << 28


@dataclass(frozen=True)
class Face:
    """A face with its expression."""

    #: Left, top, width and height in pixels of the upright picture; left and top are negative beyond its edge.
    box: tuple[int, int, int, int]
    #: How sure the detector is, 0 to 1; None where the whole picture was taken as a face.
    score: float | None
    #: Degrees clockwise by which the head is turned; None without landmarks.
    angle: float | None
    #: Eyes, nose and corners of the mouth, by name, in pixels; None where the whole picture was taken as a face.
    landmarks: dict[str, tuple[float, float]] | None
    #: Calibrated probabilities by class; they add to one.
    probabilities: dict[str, float]

    @property
    def expression(self) -> str:
        """The likeliest class."""
        return max(self.probabilities, key=self.probabilities.__getitem__)

    @property
    def confidence(self) -> float:
        """Its probability, 0 to 1."""
        return max(self.probabilities.values())


@dataclass(frozen=True)
class Picture(Sequence[Face]):
    """A recognised picture: a sequence of its faces, in reading order."""

    #: The path, where the picture was given as one.
    path: str | None
    #: Width and height in pixels, upright; 0 where the picture could not be read.
    width: int
    height: int
    #: What is to be known of the file: that it is cut off, or an animation.
    warning: str | None
    #: Why the picture could not be read; None where it was.
    error: str | None
    faces: tuple[Face, ...]

    @overload
    def __getitem__(self, index: int) -> Face: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Face, ...]: ...
    def __getitem__(self, index: int | slice) -> Face | tuple[Face, ...]:
        return self.faces[index]

    def __len__(self) -> int:
        return len(self.faces)


class Results(Sequence[Picture]):
    """Recognised pictures, in the order in which they were given; a table of their faces on request."""

    def __init__(self, pictures: Iterable[Picture], classes: Sequence[str]) -> None:
        self._pictures = tuple(pictures)
        self.classes = tuple(classes)

    @overload
    def __getitem__(self, index: int) -> Picture: ...
    @overload
    def __getitem__(self, index: slice) -> Results: ...
    def __getitem__(self, index: int | slice) -> Picture | Results:
        if isinstance(index, slice):
            return Results(self._pictures[index], self.classes)
        return self._pictures[index]

    def __len__(self) -> int:
        return len(self._pictures)

    def _types(self) -> dict[str, str]:
        """The kind of value of each column: the same whatever was found, so that tables of several batches fit each other."""
        kinds = dict.fromkeys(["picture", "x", "y", "width", "height"], "int64")
        kinds |= dict.fromkeys(["path", "expression"], "string")
        return {name: kinds.get(name, "float64") for name in self._names()} | dict.fromkeys(self.classes, "float64")

    def _names(self) -> list[str]:
        names = ["picture", "path", "x", "y", "width", "height", "score", "angle"]
        names += [f"{name}_{axis}" for name in LANDMARKS for axis in "xy"]
        names += ["expression", "confidence"]
        taken = sorted(set(names) & set(self.classes))
        if taken:
            raise ValueError(f"the model has classes named as columns of the table are: {', '.join(taken)}")
        return [*names, *self.classes]

    def columns(self) -> dict[str, list[Any]]:
        """A column a list, a row a face: ``picture`` (its number), ``path``, ``x``, ``y``, ``width``, ``height``, ``score``,
        ``angle``, each landmark's ``_x`` and ``_y``, ``expression``, ``confidence``, then a column for each class."""
        columns: dict[str, list[Any]] = {name: [] for name in self._names()}
        for number, picture in enumerate(self._pictures):
            for face in picture.faces:
                row: list[Any] = [number, picture.path, *face.box, face.score, face.angle]
                for name in LANDMARKS:
                    row += face.landmarks[name] if face.landmarks else (None, None)
                row += [face.expression, face.confidence, *face.probabilities.values()]
                for column, value in zip(columns.values(), row, strict=True):
                    column.append(value)
        return columns

    def to_pandas(self) -> pandas.DataFrame:
        """The table of faces; needs pandas."""
        import pandas

        kinds = {name: "object" if kind == "string" else kind for name, kind in self._types().items()}
        return pandas.DataFrame(self.columns()).astype(kinds)

    def to_arrow(self) -> pyarrow.Table:
        """The table of faces; needs pyarrow."""
        import pyarrow

        return pyarrow.table(self.columns(), schema=pyarrow.schema(list(self._types().items())))


class Recognizer:
    """Finds faces and recognises their expressions. Safe to share between threads; can be pickled, by its arguments.

    Parameters
    ----------
    model: ``"built-in"`` answers what human raters see, in eight classes; ``"built-in-compact"`` does with a quarter of the
        work; ``"built-in-fer2013"`` and ``"built-in-fer2013-compact"`` answer as FER-2013's labels would. Or a model file, or
        several of them, whose probabilities are averaged.
    device: ``"cpu"``, or a GPU backend that the package was built with.
    threads: threads of this recogniser's own; without it all recognisers share one pool of as many as there are cores.
        (Ray and others set ``OMP_NUM_THREADS``, which is not read.)
    views: ``"mirrored"`` averages each face with its mirror image; ``"single"`` takes half the time, ``"ten-crop"`` five times.
    min_face: the smallest face to look for, in pixels; 12 or more.
    min_score: keep what the detector takes for a face with at least this score, 0 to 1.
    whole: take every picture as the crop of one face.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] = "built-in",
        *,
        device: str = "cpu",
        threads: int | None = None,
        views: str = "mirrored",
        min_face: int | None = None,
        min_score: float | None = None,
        whole: bool = False,
    ) -> None:
        models = [model] if isinstance(model, (str, os.PathLike)) else list(model)
        if not models:
            raise ValueError("no model was named")
        if min_face is not None and not 12 <= min_face < 1 << 16:
            raise ValueError(f"min_face = {min_face}, expected 12 to 65535 pixels")
        if min_score is not None and not 0 <= min_score <= 1:
            raise ValueError(f"min_score = {min_score}, expected 0 to 1")
        if threads is not None and threads < 1:
            raise ValueError(f"threads = {threads}, expected at least 1")
        if whole and (min_face is not None or min_score is not None):
            raise ValueError("whole pictures are not searched: leave out min_face and min_score")
        self._arguments = (models, device, threads, views, min_face, min_score, whole)
        self._recognizer = _duchenne.Recognizer(*self._arguments)
        self._at_once = AT_ONCE * (threads or os.cpu_count() or 1)

    def __reduce__(self) -> tuple[Any, ...]:
        return (_again, self._arguments)

    @property
    def classes(self) -> list[str]:
        """The classes, in the order of probabilities."""
        return self._recognizer.classes

    def recognize(self, picture: PictureLike) -> Picture:
        """The faces of one picture.

        A path, the bytes of a picture file, a PIL image, or an array of uint8: height x width, or height x width x 3 in the
        order red, green, blue (OpenCV's is blue, green, red: turn it round with ``picture[..., ::-1]``).

        Raises :class:`DuchenneError` where the picture cannot be read; warns where the file is cut off or an animation.
        """
        result = self._recognized([picture])[0]
        if result.error is not None:
            raise DuchenneError(result.error)
        if result.warning is not None:
            warnings.warn(f"{result.path or 'the picture'}: {result.warning}", stacklevel=2)
        return result

    def recognize_batch(self, pictures: Iterable[PictureLike]) -> Results:
        """The faces of many pictures, decoded, searched and classified on all of this recogniser's threads, a few for each thread
        at a time: an iterator of any number of pictures is never held as a whole.

        A picture that cannot be read does not stop the others: see :attr:`Picture.error`. What is no picture at all, such as a
        number, raises ``TypeError``.
        """
        if isinstance(pictures, (str, bytes)) or (isinstance(pictures, numpy.ndarray) and pictures.ndim < 3):
            raise TypeError(f"expected several pictures, got one {type(pictures).__name__}: see recognize")
        recognized: list[Picture] = []
        for given in _windows(pictures, self._at_once):
            recognized += self._recognized(given)
        return Results(recognized, self.classes)

    def _recognized(self, given: Sequence[Any]) -> list[Picture]:
        """What is recognised in each of a few pictures."""
        classes = self.classes
        plain: list[Any] = []
        problems: dict[int, str] = {}
        for number, picture in enumerate(given):
            try:
                plain.append(_plain(picture))
            except (OSError, ValueError) as problem:
                problems[number] = str(problem)
        values = iter(self._recognizer.recognize(plain))
        return [
            Picture(None, 0, 0, None, problems[number], ())
            if number in problems
            else _picture(picture, next(values), classes)
            for number, picture in enumerate(given)
        ]

    def recognize_video(
        self,
        path: str | os.PathLike[str],
        *,
        every: float | None = None,
        start: float | None = None,
        end: float | None = None,
        smooth: float | None = None,
        search_every: float = 0.2,
        ffmpeg: str | os.PathLike[str] = "ffmpeg",
    ) -> Video:
        """The faces of a clip, frame by frame, each with a number that it keeps for as long as it is followed: an iterator.

        >>> for frame in recognizer.recognize_video("clip.mp4", smooth=0.2):
        ...     for face in frame:
        ...         print(frame.time, face.track, face.expression)

        Videos are decoded by the program ``ffmpeg``, which has to be there; animated GIF, WebP and PNG need nothing. ``every``
        is the distance between the frames that are looked at, in seconds; ``start`` and ``end`` are seconds; ``smooth`` is the
        time constant of smoothing, in seconds, and ``search_every`` how often the whole frame is searched for new faces.

        Raises :class:`DuchenneError` where the clip cannot be read, at once or at the frame where it breaks off.
        """
        from ._video import Video

        for name, value in [("every", every), ("smooth", smooth)]:
            if value is not None and not (value > 0 and value < float("inf")):
                raise ValueError(f"{name} = {value}, expected seconds above 0")
        if not search_every >= 0:
            raise ValueError(f"search_every = {search_every}, expected seconds from 0 on")
        return Video(self, path, start, end, every, smooth, search_every, ffmpeg)

    def probabilities(self, faces: numpy.typing.NDArray[numpy.uint8]) -> numpy.typing.NDArray[numpy.float32]:
        """Calibrated probabilities, n x classes, of face crops: uint8, n x height x width, or n x height x width x 3 in the
        order red, green, blue. Crops are scaled as the model asks."""
        array = numpy.asarray(faces)
        if array.dtype != numpy.uint8 or array.ndim not in (3, 4):
            raise ValueError(
                f"faces are {array.dtype} of shape {array.shape}, expected uint8 of (n, height, width) or (n, height, width, 3)"
            )
        return self._recognizer.probabilities(array)

    def __repr__(self) -> str:
        models = ", ".join(map(str, self._arguments[0]))
        return f"<duchenne.Recognizer {models}: {', '.join(self.classes)}>"


def _again(*arguments: Any) -> Recognizer:
    models, device, threads, views, min_face, min_score, whole = arguments
    return Recognizer(
        models, device=device, threads=threads, views=views, min_face=min_face, min_score=min_score, whole=whole
    )


def _plain(picture: Any) -> Any:
    """A picture as the compiled part takes it."""
    if isinstance(picture, (str, bytes, os.PathLike)):
        return picture
    if isinstance(picture, (bytearray, memoryview)):
        return bytes(picture)
    pillow = sys.modules.get("PIL.Image")
    if pillow is not None and isinstance(picture, pillow.Image):
        return _pixels_of(picture)
    if isinstance(picture, numpy.ndarray) and picture.dtype != numpy.uint8:
        raise TypeError(f"the picture's array is {picture.dtype}, expected uint8, 0 to 255")
    return picture


def _windows(pictures: Iterable[Any], most: int) -> Iterator[list[Any]]:
    """A few pictures at a time: so many, and arrays of no more than so many bytes."""
    window: list[Any] = []
    size = 0
    for picture in pictures:
        window.append(picture)
        size += getattr(picture, "nbytes", 0)
        if len(window) == most or size >= BYTES_AT_ONCE:
            yield window
            window, size = [], 0
    if window:
        yield window


def _pixels_of(image: PIL.Image.Image) -> numpy.typing.NDArray[numpy.uint8] | bytes:
    """Upright, over white, in gray where the image is gray."""
    import PIL.Image
    import PIL.ImageOps

    upright = PIL.ImageOps.exif_transpose(image)
    if upright.mode == "F":
        raise TypeError("the image is of mode F, whose range nobody knows: convert it to 8 bits, 0 to 255")
    if upright.mode.startswith("I"):
        # More than 8 bits, perhaps 12 of 16: read as a file would be.
        file = io.BytesIO()
        upright.save(file, "PNG")
        return file.getvalue()
    if upright.mode in ("L", "1"):
        return numpy.asarray(upright.convert("L"))
    if "A" in upright.getbands() or "transparency" in upright.info:
        white = PIL.Image.new("RGBA", upright.size, "white")
        upright = PIL.Image.alpha_composite(white, upright.convert("RGBA"))
    return numpy.asarray(upright.convert("RGB"))


def _picture(given: Any, value: _duchenne.PictureValues, classes: Sequence[str]) -> Picture:
    error, width, height, warning, faces = value
    path = os.fspath(given) if isinstance(given, (str, os.PathLike)) else None
    return Picture(path, width, height, warning, error, tuple(face_of(face, classes) for face in faces))


def face_of(value: _duchenne.FaceValues, classes: Sequence[str]) -> Face:
    """A face out of the compiled part's values."""
    box, score, angle, landmarks, probabilities = value
    left, top, width, height = box
    named = None
    if landmarks is not None:
        named = {name: (x, y) for name, (x, y) in zip(LANDMARKS, landmarks, strict=True)}
    return Face((left, top, width, height), score, angle, named, dict(zip(classes, probabilities, strict=True)))
