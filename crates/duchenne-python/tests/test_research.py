"""Data sets, training, evaluation, support vector machines from Python."""

from __future__ import annotations

import json
import pickle
import signal
import threading
import time

import numpy
import pytest

import duchenne

FAST = {"training.batch_size": 24, "training.learning_rate": 0.02}


def test_a_data_set_lies_in_its_file(packed):
    assert packed.classes == ("glad", "low", "struck")
    assert packed.images.shape == (126, 48, 48) and packed.images.dtype == numpy.uint8
    assert isinstance(packed.images, numpy.memmap) and not packed.images.flags.writeable
    assert [len(packed.rows(split)) for split in ("training", "validation", "test")] == [72, 27, 27]
    image, name = packed[0]
    assert image.shape == (48, 48) and name in packed.classes
    assert len(pickle.loads(pickle.dumps(packed))) == len(packed) == 126
    with pytest.raises(ValueError, match="expected one of training, validation, test"):
        packed.rows("dev")


def test_what_is_no_data_set_is_refused(tmp_path):
    path = tmp_path / "x.safetensors"
    path.write_bytes(b"nothing")
    with pytest.raises(duchenne.DuchenneError, match="x.safetensors"):
        duchenne.DataSet(path)
    with pytest.raises(duchenne.DuchenneError, match="data import folder"):
        duchenne.import_data("folder", tmp_path / "missing", out=tmp_path / "y.safetensors")


def test_training_tells_and_its_model_is_evaluated(packed, tmp_path):
    told = []
    best = duchenne.train("compact", packed, tmp_path / "run", epochs=numpy.int64(3), settings=FAST, callback=told.append)
    epochs = [event for event in told if event["event"] == "epoch"]
    assert [epoch["epoch"] for epoch in epochs] == [1, 2, 3]
    assert 0 <= epochs[-1]["validation_accuracy"] <= 1 and any(event["event"] == "progress" for event in told)
    report = duchenne.evaluate_model(best, packed)
    assert report["overall"]["accuracy"]["value"] == pytest.approx(
        max(epoch["validation_accuracy"] for epoch in epochs), abs=0.2
    )
    # The same call again has nothing to do.
    assert duchenne.train("compact", packed, tmp_path / "run", epochs=3, settings=FAST) == best
    compared = duchenne.compare([best, tmp_path / "run/last.safetensors"], packed)
    assert [model["name"] for model in compared["models"]] == [str(best), str(tmp_path / "run/last.safetensors")]
    face = duchenne.Recognizer(best, whole=True).recognize(packed.images[0])[0]
    assert set(face.probabilities) == set(packed.classes)


def test_an_exception_of_the_callback_stops_and_the_run_resumes(packed, tmp_path):
    def stop(event):
        if event["event"] == "epoch" and event["epoch"] == 2:
            raise RuntimeError("enough")

    run = tmp_path / "run"
    with pytest.raises(RuntimeError, match="enough"):
        duchenne.train("compact", packed, run, epochs=4, settings=FAST, callback=stop)
    told = []
    duchenne.train("compact", packed, run, epochs=4, settings=FAST, callback=told.append)
    assert any("resum" in event.get("message", "") for event in told)
    unbroken = duchenne.train("compact", packed, tmp_path / "unbroken", epochs=4, settings=FAST)
    resumed = (run / "best.safetensors").read_bytes()
    assert resumed == unbroken.read_bytes()


def test_ctrl_c_saves(packed, tmp_path):
    def interrupt():
        time.sleep(0.6)
        signal.raise_signal(signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        duchenne.train("compact", packed, tmp_path / "run", epochs=100_000, settings=FAST)
    assert (tmp_path / "run/state.safetensors").exists()


def test_what_training_refuses(packed, tmp_path):
    with pytest.raises(duchenne.DuchenneError, match="no-such-recipe"):
        duchenne.train("no-such-recipe", packed, tmp_path / "a")
    with pytest.raises(duchenne.DuchenneError, match="unknown field `unknown`"):
        duchenne.train("compact", packed, tmp_path / "b", settings={"training.unknown": 1})
    for value in (None, {"epochs": 1}, float("nan"), object()):
        with pytest.raises(ValueError, match="settings"):
            duchenne.train("compact", packed, tmp_path / "c", settings={"training.epochs": value})
    with pytest.raises(ValueError, match="ferplus"):
        duchenne.evaluate_model("built-in", packed, labels="foo")
    with pytest.raises(ValueError, match="split"):
        duchenne.evaluate_model("built-in", packed, split="everything")
    with pytest.raises(duchenne.DuchenneError):
        duchenne.evaluate_model("built-in", packed)


def test_evaluation_of_anybodys_logits_is_scikit_learns():
    metrics = pytest.importorskip("sklearn.metrics")
    random = numpy.random.default_rng(0)
    labels = random.integers(0, 3, 400)
    logits = random.normal(size=(400, 3)) + 1.5 * numpy.eye(3)[labels]
    report = duchenne.evaluate(labels, logits, ["a", "b", "c"], temperature=1.0)
    figures = report["overall"]
    predicted = logits.argmax(1)
    assert figures["accuracy"]["value"] == pytest.approx(metrics.accuracy_score(labels, predicted))
    assert figures["macro_f1"]["value"] == pytest.approx(metrics.f1_score(labels, predicted, average="macro"))
    exponentials = numpy.exp(logits.astype(numpy.float32).astype(float))
    probabilities = exponentials / exponentials.sum(1, keepdims=True)
    assert json.dumps(report)
    fitted = duchenne.evaluate(labels, 3 * logits, ["a", "b", "c"], validation=(labels, 3 * logits))
    assert fitted["temperature"] > report["temperature"] == 1
    assert figures["uncalibrated"]["nll"] == pytest.approx(metrics.log_loss(labels, probabilities), abs=1e-6)


def test_what_evaluation_refuses():
    with pytest.raises(ValueError, match="expected n whole numbers"):
        duchenne.evaluate([0.5], [[1, 2]], ["a", "b"])
    with pytest.raises(ValueError, match="shape"):
        duchenne.evaluate([0, 1], [[1, 2]], ["a", "b"])
    for bad in ([[1, numpy.nan], [0, 1]], [[1, -numpy.inf], [0, 1]], [[1e300, 0], [0, 1]]):
        with pytest.raises(ValueError, match="logits hold"):
            duchenne.evaluate([0, 1], bad, ["a", "b"])
    with pytest.raises(ValueError, match="shape"):
        duchenne.evaluate([0, 1], [1.0, 2.0], ["a", "b"])
    for votes in ([[-1] * 10] * 2, [[256] * 10] * 2, [[0.5] * 10] * 2, [1] * 10):
        with pytest.raises(ValueError, match="votes are"):
            duchenne.evaluate([0, 1], [[1, 2], [3, 4]], ["a", "b"], votes=votes)
    with pytest.raises(duchenne.DuchenneError):
        duchenne.evaluate([0, 5], [[1, 2], [3, 4]], ["a", "b"])


def test_figures_of_the_built_in_model_are_the_published_ones(fer2013):
    report = duchenne.evaluate_model("built-in-fer2013-compact", fer2013, split="test")
    assert round(100 * report["overall"]["accuracy"]["value"], 2) == 70.10


def test_a_generator_makes_the_same_faces_again(packed, program, tmp_path):
    run = tmp_path / "gan"
    program(
        "gan", "train", "--recipe", "dcgan", "--data", packed.path, "--class", "glad", "--run", run, "--epochs", 1,
        "--set", "training.batch_size=16",
    )  # fmt: skip
    generator = run / "glad/generator.safetensors"
    faces = duchenne.generate(generator, 6, seed=3)
    assert faces.shape == (6, 48, 48) and faces.dtype == numpy.uint8 and faces.std() > 0
    assert (duchenne.generate(generator, 2, expression="glad", seed=3) == faces[:2]).all()
    assert (duchenne.generate(generator, 6, seed=4) != faces).any()
    assert duchenne.generate(generator, 1, size=64).shape == (1, 64, 64)
    with pytest.raises(ValueError, match="makes glad"):
        duchenne.generate(generator, 1, expression="low")
    with pytest.raises(duchenne.DuchenneError, match="missing"):
        duchenne.generate(tmp_path / "missing.safetensors", 1)
