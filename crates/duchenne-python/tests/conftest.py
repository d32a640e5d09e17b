"""What the tests share. They need the package installed, and `pip install duchenne[test]`'s packages."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
from PIL import Image

import duchenne

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "examples/faces.png"


@pytest.fixture(scope="session")
def recognizer() -> duchenne.Recognizer:
    return duchenne.Recognizer()


@pytest.fixture(scope="session")
def example() -> Path:
    return EXAMPLE


@pytest.fixture(scope="session")
def program():
    """Runs the program of the package: standard output."""

    def run(*arguments: object, code: int = 0, **options) -> str:
        command = [sys.executable, "-m", "duchenne", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, **options)
        assert done.returncode == code, done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="session")
def faces(tmp_path_factory) -> Path:
    """Three classes of drawn faces in folders, some dozens of each: a mouth that goes up, down, or is round."""
    folder = tmp_path_factory.mktemp("faces")
    random = numpy.random.default_rng(1)
    for split, count in (("train", 24), ("val", 9), ("test", 9)):
        for name in ("glad", "low", "struck"):
            (folder / split / name).mkdir(parents=True)
            for number in range(count):
                Image.fromarray(drawn(name, random)).save(folder / split / name / f"{number}.png")
    return folder


def drawn(name: str, random: numpy.random.Generator) -> numpy.ndarray:
    y, x = numpy.mgrid[:48, :48] - 23.5
    x, y = x + random.normal(), y + random.normal()
    face = numpy.full((48, 48), 60.0)
    face[x**2 / 18**2 + y**2 / 22**2 < 1] = 190
    for side in (-8, 8):
        face[(x - side) ** 2 + (y + 6) ** 2 < 6] = 30
    mouth = {"glad": 10 - x**2 / 20, "low": 8 + x**2 / 20}
    if name in mouth:
        face[(abs(y - mouth[name]) < 1.5) & (abs(x) < 9)] = 20
    else:
        face[(x**2 + (y - 10) ** 2 < 20)] = 20
    return (face + random.normal(0, 6, face.shape)).clip(0, 255).astype(numpy.uint8)


@pytest.fixture(scope="session")
def packed(faces, tmp_path_factory) -> duchenne.DataSet:
    return duchenne.import_data("folder", faces, out=tmp_path_factory.mktemp("packed") / "faces.safetensors")


@pytest.fixture(scope="session")
def fer2013(tmp_path_factory) -> duchenne.DataSet:
    """FER-2013 with FER+'s votes, where the data are there."""
    folder = os.environ.get("DUCHENNE_DATA")
    if not folder:
        pytest.skip("DUCHENNE_DATA is not set")
    source = Path(folder)
    out = tmp_path_factory.mktemp("fer") / "fer2013.safetensors"
    return duchenne.import_data(
        "fer2013", source / "fer2013.csv.xz", "--ferplus", source / "fer2013new.csv", out=out
    )
