"""The calls of other packages, answered by this one: change the import, and the script runs on.

>>> from duchenne.compat import DeepFace        # instead of: from deepface import DeepFace
>>> DeepFace.analyze("photo.jpg", actions=["emotion"])[0]["dominant_emotion"]
>>> from duchenne.compat import FER             # instead of: from fer import FER
>>> FER().detect_emotions(image)[0]["emotions"]

Shapes of results, names of keys and units are theirs; their arrays are blue, green, red, as OpenCV reads. The answers are
this package's, in FER-2013's seven classes, which are theirs.
"""

from __future__ import annotations

import base64
import functools
import os
import threading
from collections.abc import Sequence
from typing import Any

import numpy
import numpy.typing

from ._duchenne import DuchenneError
from ._recognizer import Face, Picture, Recognizer

__all__ = ["FER", "DeepFace"]

#: Answers in the seven classes that both packages know.
MODEL = "built-in-fer2013"
_lock = threading.Lock()


@functools.lru_cache(maxsize=None)
def _made(whole: bool) -> Recognizer:
    return Recognizer(MODEL, whole=whole)


def _recognizer(whole: bool = False) -> Recognizer:
    # One load, however many threads begin at once.
    with _lock:
        return _made(whole)


def _picture(image: Any) -> Any:
    """Paths, arrays of blue, green, red, base64."""
    if isinstance(image, numpy.ndarray):
        array = image
        if array.dtype != numpy.uint8:
            scale = 255 if array.dtype.kind == "f" and array.size and array.max() <= 1 else 1
            array = (array * scale).clip(0, 255).astype(numpy.uint8)
        if array.ndim == 3 and array.shape[2] == 1:
            return array[..., 0]
        # A fourth channel is transparency.
        return array if array.ndim == 2 else numpy.ascontiguousarray(array[..., 2::-1])
    if isinstance(image, str) and image.startswith("data:image/"):
        return base64.b64decode(image.partition(",")[2])
    if isinstance(image, str) and image.startswith(("http://", "https://")):
        raise ValueError(f"{image} is an address: fetch it first, and give its bytes or a file")
    return image


class DeepFace:
    """``deepface``'s analysis of emotions."""

    #: ``deepface``'s order.
    EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")

    @staticmethod
    def analyze(
        img_path: str | os.PathLike[str] | bytes | numpy.typing.NDArray[Any] | Sequence[Any],
        actions: Sequence[str] | str = ("emotion",),
        enforce_detection: bool = True,
        detector_backend: str = "yunet",
        align: bool = True,
        expand_percentage: int = 0,
        silent: bool = False,
        anti_spoofing: bool = False,
    ) -> Any:
        """For each face ``{"emotion": {name: per cent}, "dominant_emotion", "region": {"x", "y", "w", "h", "left_eye",
        "right_eye"}, "face_confidence"}``; of a list of pictures a list of such lists.

        ``actions`` may be ``["emotion"]`` alone: age, gender and race are not guessed here, and the default differs from
        ``deepface``'s in that. Where no face is found, a ``ValueError`` as there, or with ``enforce_detection=False`` the whole
        picture as a face. ``detector_backend="skip"`` takes the picture as the face; every other name is answered by this
        package's own detector. ``align``, ``expand_percentage`` and ``silent`` change nothing.
        """
        asked = [actions] if isinstance(actions, str) else list(actions)
        if asked != ["emotion"]:
            raise NotImplementedError(f"actions = {asked!r}: only ['emotion'] is answered here")
        if anti_spoofing:
            raise NotImplementedError("anti_spoofing is not answered here")
        if isinstance(img_path, (list, tuple)):
            return [
                DeepFace.analyze(one, asked, enforce_detection, detector_backend=detector_backend) for one in img_path
            ]
        whole = detector_backend == "skip"
        try:
            result = _recognizer(whole).recognize(_picture(img_path))
        except DuchenneError as error:
            raise ValueError(str(error)) from error
        if not result.faces and enforce_detection:
            raise ValueError(
                f"Face could not be detected in {img_path if isinstance(img_path, str) else 'the picture'}. Please confirm that "
                "the picture is a face photo or consider to set enforce_detection param to False."
            )
        if not result.faces:
            result = _recognizer(whole=True).recognize(_picture(img_path))
        return [_as_deepface(face, result) for face in result.faces]


def _as_deepface(face: Face, picture: Picture) -> dict[str, Any]:
    left, top, width, height = face.box
    region: dict[str, Any] = {"x": left, "y": top, "w": width, "h": height, "left_eye": None, "right_eye": None}
    if face.landmarks is not None:
        for eye in ("left_eye", "right_eye"):
            x, y = face.landmarks[eye]
            region[eye] = (round(x), round(y))
    emotion = {name: 100.0 * face.probabilities[name] for name in DeepFace.EMOTIONS}
    return {
        "emotion": emotion,
        "dominant_emotion": max(emotion, key=emotion.__getitem__),
        "region": region,
        "face_confidence": 0.0 if face.score is None else round(face.score, 2),
    }


class FER:
    """``fer``'s detector of emotions. ``mtcnn``, ``tfserving``, ``scale_factor``, ``min_neighbors`` and ``compile`` are taken and
    change nothing; ``min_face_size`` is the smallest face to look for, in pixels."""

    #: ``fer``'s order.
    EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")

    def __init__(
        self,
        cascade_file: str | None = None,
        mtcnn: bool = False,
        tfserving: bool = False,
        scale_factor: float = 1.1,
        min_face_size: int = 50,
        min_neighbors: int = 5,
        offsets: tuple[int, int] = (10, 10),
        compile: bool = False,
    ) -> None:
        self._recognizer = Recognizer(MODEL, min_face=max(12, min_face_size))
        self._whole = Recognizer(MODEL, whole=True)

    def detect_emotions(
        self, img: str | numpy.typing.NDArray[Any], face_rectangles: Sequence[Sequence[int]] | None = None
    ) -> list[dict[str, Any]]:
        """For each face ``{"box": [x, y, width, height], "emotions": {name: 0 to 1, two decimals}}``."""
        if face_rectangles is not None:
            return self._in_boxes(img, face_rectangles)
        return [_as_fer(face, face.box) for face in self._recognizer.recognize(_picture(img))]

    def top_emotion(self, img: str | numpy.typing.NDArray[Any]) -> tuple[str | None, float | None]:
        """The likeliest emotion of the first face and its score; ``(None, None)`` without a face."""
        faces = self.detect_emotions(img)
        if not faces:
            return (None, None)
        emotions = faces[0]["emotions"]
        name = max(emotions, key=emotions.__getitem__)
        return (name, emotions[name])

    def _in_boxes(self, img: Any, boxes: Sequence[Sequence[int]]) -> list[dict[str, Any]]:
        if not isinstance(img, numpy.ndarray):
            raise TypeError("face_rectangles ask for an array of pixels, blue, green, red")
        pixels = _picture(img)
        found = []
        for left, top, width, height in boxes:
            crop = pixels[max(top, 0) : max(top + height, 0), max(left, 0) : max(left + width, 0)]
            if crop.size == 0:
                raise ValueError(f"the box {[left, top, width, height]} lies outside of the picture")
            [face] = self._whole.recognize(numpy.ascontiguousarray(crop))
            found.append(_as_fer(face, (left, top, width, height)))
        return found


def _as_fer(face: Face, box: Sequence[int]) -> dict[str, Any]:
    emotions = {name: round(face.probabilities[name], 2) for name in FER.EMOTIONS}
    return {"box": list(box), "emotions": emotions}
