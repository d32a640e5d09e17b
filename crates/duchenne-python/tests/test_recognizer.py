"""Recognition from Python is the program's, whatever the picture comes as."""

from __future__ import annotations

import io
import json
import pickle
import subprocess
import sys
import threading
import warnings

import numpy
import pytest
from PIL import Image

import duchenne


def test_results_are_those_of_the_program_to_the_last_digit(recognizer, example, program):
    [line] = program("predict", "--json", example).splitlines()
    expected = json.loads(line)
    result = recognizer.recognize(example)
    assert (result.width, result.height) == (expected["width"], expected["height"])
    assert len(result) == len(expected["faces"]) == 6
    for face, other in zip(result, expected["faces"]):
        assert face.box == tuple(other["box"][name] for name in ("x", "y", "width", "height"))
        single = {name: float(numpy.float32(value)) for name, value in other["probabilities"].items()}
        assert {name: float(numpy.float32(value)) for name, value in face.probabilities.items()} == single
        assert face.expression == other["expression"]
        assert numpy.float32(face.score) == numpy.float32(other["score"])
        for name, point in other["landmarks"].items():
            assert face.landmarks[name] == pytest.approx(point, abs=0.051)
        assert abs(sum(face.probabilities.values()) - 1) < 1e-5


def test_a_picture_may_be_a_path_bytes_an_image_or_an_array(recognizer, example):
    image = Image.open(example).convert("RGB")
    array = numpy.asarray(image)
    file = io.BytesIO()
    image.save(file, "PNG")
    given = [example, str(example), file.getvalue(), bytearray(file.getvalue()), image, array, array[:, ::-1][:, ::-1]]
    results = recognizer.recognize_batch(given)
    assert [result.error for result in results] == [None] * len(given)
    first = results[0].faces
    for result in results:
        assert result.faces == first
    assert [result.path for result in results[:2]] == [str(example)] * 2
    assert results[2].path is None


def test_pil_images_are_turned_upright_and_laid_on_white(recognizer, example):
    expected = recognizer.recognize(example).faces
    turned = Image.open(example).convert("RGB").rotate(-90, expand=True)
    exif = Image.Exif()
    exif[0x112] = 8
    file = io.BytesIO()
    turned.save(file, "PNG", exif=exif)
    opened = Image.open(io.BytesIO(file.getvalue()))
    assert recognizer.recognize(opened).faces == expected
    clear = Image.open(example).convert("RGBA")
    assert recognizer.recognize(clear).faces == expected


def test_gray_arrays_are_pictures_too(recognizer, example):
    gray = numpy.asarray(Image.open(example).convert("L"))
    faces = recognizer.recognize(gray).faces
    assert len(faces) == 6
    # Of 16 bits, as scanners and cameras make them.
    deep = Image.fromarray(gray.astype(numpy.uint16) * 257)
    assert deep.mode.startswith("I;16") and recognizer.recognize(deep).faces == faces


def test_several_pictures_are_asked_for(recognizer, example):
    for one in (str(example), b"bytes", numpy.zeros((4, 4), numpy.uint8)):
        with pytest.raises(TypeError, match="several pictures"):
            recognizer.recognize_batch(one)
    assert len(recognizer.recognize_batch(example for _ in range(40))) == 40


def test_a_forked_child_is_told_and_does_not_hang(recognizer, example):
    program = (
        "import duchenne, multiprocessing, sys\n"
        "recognizer = duchenne.Recognizer()\n"
        "def work(): recognizer.recognize(sys.argv[1])\n"
        "child = multiprocessing.get_context('fork').Process(target=work)\n"
        "child.start(); child.join(20); print(child.exitcode)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(example)], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "1" and "'spawn'" in done.stderr


@pytest.mark.parametrize(
    ("picture", "error", "part"),
    [
        (numpy.zeros((4, 4, 4), numpy.uint8), duchenne.DuchenneError, "red, green, blue"),
        (numpy.zeros((4, 4), numpy.float32), TypeError, "float32"),
        (numpy.zeros((0, 4), numpy.uint8), duchenne.DuchenneError, "too small"),
        (numpy.broadcast_to(numpy.uint8(0), (1 << 31, 1 << 31)), duchenne.DuchenneError, "too large"),
        (Image.new("F", (40, 40)), TypeError, "mode F"),
        (7, TypeError, "a picture is a path"),
        ("missing.jpg", duchenne.DuchenneError, "missing.jpg"),
        (b"text", duchenne.DuchenneError, "not a picture by its content"),
    ],
)
def test_what_is_no_picture_is_refused_in_words(recognizer, picture, error, part):
    with pytest.raises(error, match=part):
        recognizer.recognize(picture)


def test_a_broken_picture_stops_no_batch(recognizer, example):
    results = recognizer.recognize_batch([example, b"nothing", example, numpy.zeros((9, 9, 4), numpy.uint8)])
    assert [len(result) for result in results] == [6, 0, 6, 0]
    assert "red, green, blue" in results[3].error
    assert "not a picture" in results[1].error


def test_a_cut_off_file_warns(recognizer, tmp_path, example):
    path = tmp_path / "cut.jpg"
    Image.open(example).convert("RGB").save(path)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.warns(UserWarning, match="cut off"):
        recognizer.recognize(path)


def test_tables_have_a_row_a_face(recognizer, example):
    results = recognizer.recognize_batch([example, b"nothing"])
    frame = results.to_pandas()
    assert len(frame) == 6 and set(recognizer.classes) < set(frame.columns)
    assert frame["expression"].tolist() == [face.expression for face in results[0]]
    table = results.to_arrow()
    assert table.num_rows == 6 and table.column_names == list(frame.columns)
    nothing = duchenne.Results([], recognizer.classes)
    assert nothing.to_arrow().schema == table.schema
    assert nothing.to_pandas().dtypes.tolist() == frame.dtypes.tolist()


def test_crops_have_probabilities(recognizer):
    crops = numpy.random.default_rng(0).integers(0, 256, (5, 48, 48), numpy.uint8)
    probabilities = recognizer.probabilities(crops)
    assert probabilities.shape == (5, len(recognizer.classes)) and probabilities.dtype == numpy.float32
    assert numpy.allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    whole = duchenne.Recognizer(whole=True)
    one = whole.recognize(crops[3])[0]
    assert list(one.probabilities.values()) == pytest.approx(probabilities[3].tolist(), abs=1e-6)
    assert one.score is None and one.landmarks is None
    assert recognizer.probabilities(crops[:0]).shape == (0, len(recognizer.classes))
    color = numpy.repeat(crops[..., None], 3, axis=3)
    assert numpy.allclose(recognizer.probabilities(color), probabilities, atol=1e-6)
    with pytest.raises(ValueError, match="expected uint8"):
        recognizer.probabilities(crops / 255)


def test_arguments_are_checked(tmp_path):
    for arguments, part in [
        ({"views": "many"}, "single"),
        ({"threads": 0}, "threads"),
        ({"min_face": 5}, "min_face"),
        ({"min_score": 2.0}, "min_score"),
        ({"min_score": float("nan")}, "min_score"),
        ({"device": "toaster"}, "device"),
        ({"model": []}, "no model"),
        ({"whole": True, "min_face": 20}, "not searched"),
    ]:
        with pytest.raises(ValueError, match=part):
            duchenne.Recognizer(**arguments)
    with pytest.raises(duchenne.DuchenneError, match="missing.safetensors"):
        duchenne.Recognizer(tmp_path / "missing.safetensors")
    (tmp_path / "model.onnx").write_bytes(b"another program's")
    with pytest.raises(duchenne.DuchenneError, match="it is ONNX.*duchenne model import"):
        duchenne.Recognizer(tmp_path / "model.onnx")


def test_models_and_views_differ(example):
    compact = duchenne.Recognizer("built-in-compact", views="single", threads=1)
    both = duchenne.Recognizer(["built-in", "built-in-compact"])
    assert len(compact.recognize(example)) == len(both.recognize(example)) == 6
    assert "contempt" in compact.classes
    assert duchenne.Recognizer("built-in-fer2013").classes == [
        "angry", "disgust", "fear", "happy", "sad", "surprise", "neutral",
    ]  # fmt: skip


def test_a_recognizer_can_be_pickled(example):
    before = duchenne.Recognizer("built-in-compact", min_face=40, threads=1)
    after = pickle.loads(pickle.dumps(before))
    assert after.recognize(example).faces == before.recognize(example).faces
    assert pickle.loads(pickle.dumps(before.recognize(example))).faces


def test_threads_run_side_by_side(recognizer, example):
    expected = recognizer.recognize(example).faces
    found = []
    threads = [threading.Thread(target=lambda: found.append(recognizer.recognize(example).faces)) for _ in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert found == [expected] * 8


def test_no_warning_without_a_reason(recognizer, example):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        recognizer.recognize(example)
