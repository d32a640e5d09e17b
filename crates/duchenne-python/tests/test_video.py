"""Videos and animations."""

import json
import shutil
import subprocess

import numpy
import PIL.Image
import pytest

import duchenne


def frames(example, count: int) -> list[PIL.Image.Image]:
    """The example's first face, moving to the right."""
    face = PIL.Image.open(example).convert("RGB").crop((0, 0, 300, 340)).resize((150, 170))
    pictures = []
    for number in range(count):
        picture = PIL.Image.new("RGB", (320, 240), (110, 120, 130))
        picture.paste(face, (20 + 4 * number, 30))
        pictures.append(picture)
    return pictures


@pytest.fixture
def animation(tmp_path, example):
    path = tmp_path / "moves.gif"
    first, *rest = frames(example, 10)
    first.save(path, save_all=True, append_images=rest, duration=100)
    return path


def test_frames_have_times_and_people_keep_their_numbers(animation):
    video = duchenne.Recognizer("built-in-compact").recognize_video(animation, smooth=0.2)
    found = list(video)
    assert [round(frame.time, 3) for frame in found] == [round(number / 10, 3) for number in range(10)]
    assert [frame.index for frame in found] == list(range(10))
    assert {face.track for frame in found for face in frame} == {1}
    first, last = found[0][0], found[-1][0]
    assert last.box[0] - first.box[0] == pytest.approx(36, abs=4)
    assert first.smoothed == first.probabilities
    assert sum(last.smoothed.values()) == pytest.approx(1, abs=1e-4)
    assert last.smoothed != last.probabilities


def test_frames_are_the_programs(animation, program):
    lines = program("predict", animation, "--json", "--every", "0.2", "--model", "built-in-compact").splitlines()
    video = duchenne.Recognizer("built-in-compact").recognize_video(animation, every=0.2)
    found = list(video)
    assert len(found) == len(lines) == 5
    for frame, line in zip(found, map(json.loads, lines), strict=True):
        assert (frame.index, frame.width, frame.height) == (line["frame"], line["width"], line["height"])
        assert frame.time == pytest.approx(line["time"], abs=1e-6)
        for face, told in zip(frame, line["faces"], strict=True):
            assert face.track == told["track"] and face.expression == told["expression"]
            assert list(face.box) == [told["box"][name] for name in ("x", "y", "width", "height")]
            assert list(face.probabilities.values()) == pytest.approx(list(told["probabilities"].values()), abs=1e-6)


def test_a_table_has_a_row_for_each_face_and_frame(animation):
    pytest.importorskip("pandas")
    recognizer = duchenne.Recognizer("built-in-compact")
    table = recognizer.recognize_video(animation, start=0.3, end=0.6, smooth=0.5).to_pandas()
    assert list(table["time"].round(3)) == [0.3, 0.4, 0.5]
    assert set(table["track"]) == {1}
    smoothed = table[[f"smoothed_{name}" for name in recognizer.classes]]
    assert smoothed.sum(axis=1).to_numpy() == pytest.approx(numpy.ones(3), abs=1e-4)


def test_bad_input_is_told_in_words(animation, tmp_path):
    recognizer = duchenne.Recognizer("built-in-compact")
    with pytest.raises(duchenne.DuchenneError, match="cannot read"):
        recognizer.recognize_video(tmp_path / "missing.mp4")
    with pytest.raises(ValueError, match="every = 0"):
        recognizer.recognize_video(animation, every=0)
    with pytest.raises(duchenne.DuchenneError, match="not after its beginning"):
        recognizer.recognize_video(animation, start=2, end=1)
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"\0\0\0\x18ftypmp42")
    with pytest.raises(duchenne.DuchenneError, match="install ffmpeg"):
        recognizer.recognize_video(clip, ffmpeg="/no/such/ffmpeg")


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="no ffmpeg on this machine")
def test_a_video_is_decoded_by_ffmpeg(animation, tmp_path):
    clip = tmp_path / "clip.mp4"
    subprocess.run(["ffmpeg", "-v", "error", "-i", animation, "-pix_fmt", "yuv420p", clip], check=True)
    found = list(duchenne.Recognizer("built-in-compact").recognize_video(clip))
    assert len(found) == 10 and all(len(frame) == 1 for frame in found)
    # Not asked for to its end, it leaves no process behind.
    video = duchenne.Recognizer("built-in-compact").recognize_video(clip)
    assert next(video).index == 0
    del video
