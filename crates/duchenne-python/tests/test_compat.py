"""The calls of other packages."""

from __future__ import annotations

import base64

import numpy
import pytest
from PIL import Image

import duchenne
from duchenne.compat import FER, DeepFace

NAMES = {"angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"}


def bgr(path) -> numpy.ndarray:
    return numpy.ascontiguousarray(numpy.asarray(Image.open(path).convert("RGB"))[..., ::-1])


def test_deepface_in_its_shape(example):
    faces = DeepFace.analyze(str(example), actions=["emotion"])
    assert len(faces) == 6
    for face in faces:
        assert set(face) == {"emotion", "dominant_emotion", "region", "face_confidence"}
        assert set(face["emotion"]) == NAMES and sum(face["emotion"].values()) == pytest.approx(100, abs=1e-3)
        assert face["emotion"][face["dominant_emotion"]] == max(face["emotion"].values())
        assert set(face["region"]) == {"x", "y", "w", "h", "left_eye", "right_eye"}
        # The person's left eye is at the right of the picture.
        assert face["region"]["left_eye"][0] > face["region"]["right_eye"][0]
        assert 0 < face["face_confidence"] <= 1
    ours = duchenne.Recognizer("built-in-fer2013").recognize(example)
    assert [face["dominant_emotion"] for face in faces] == [face.expression for face in ours]
    assert DeepFace.analyze(bgr(example), actions=["emotion"]) == faces
    assert DeepFace.analyze(bgr(example) / 255.0, actions="emotion") == faces
    text = "data:image/png;base64," + base64.b64encode(example.read_bytes()).decode()
    assert DeepFace.analyze(text, actions=("emotion",)) == faces
    assert DeepFace.analyze([str(example), bgr(example)]) == [faces, faces]


def test_deepface_without_a_face():
    empty = numpy.full((100, 100, 3), 90, numpy.uint8)
    with pytest.raises(ValueError, match="Face could not be detected"):
        DeepFace.analyze(empty)
    [whole] = DeepFace.analyze(empty, enforce_detection=False)
    assert whole["region"]["w"] == 100 and whole["region"]["left_eye"] is None and whole["face_confidence"] == 0
    assert len(DeepFace.analyze(empty, detector_backend="skip")) == 1
    with pytest.raises(NotImplementedError, match="only"):
        DeepFace.analyze(empty, actions=["age"])
    with pytest.raises(ValueError, match="no.jpg"):
        DeepFace.analyze("no.jpg")


def test_fer_in_its_shape(example):
    detector = FER(mtcnn=True)
    faces = detector.detect_emotions(bgr(example))
    assert len(faces) == 6
    for face in faces:
        assert set(face) == {"box", "emotions"} and set(face["emotions"]) == NAMES
        assert all(round(value, 2) == value for value in face["emotions"].values())
    name, score = detector.top_emotion(str(example))
    assert faces[0]["emotions"][name] == score
    assert detector.top_emotion(numpy.zeros((80, 80, 3), numpy.uint8)) == (None, None)
    boxes = [face["box"] for face in faces]
    shifted = [[-20, -20, 120, 120], [0, 0, 100, 100]]
    clipped = detector.detect_emotions(bgr(example), face_rectangles=shifted)
    assert clipped[0]["emotions"] == clipped[1]["emotions"]
    with pytest.raises(ValueError, match="outside"):
        detector.detect_emotions(bgr(example), face_rectangles=[[-200, -200, 100, 100]])
    assert [face["box"] for face in detector.detect_emotions(bgr(example), face_rectangles=boxes)] == boxes
