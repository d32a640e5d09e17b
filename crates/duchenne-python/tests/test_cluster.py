"""Real engines on one machine. The first tests need pyarrow alone; those marked `cluster` install and start Ray, Spark, Dask."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

import duchenne
from duchenne.cluster import RecognizeTable, recognize_batches, recognize_frame

EXAMPLES = Path(__file__).resolve().parents[1] / "examples/cluster"
pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory, example) -> Path:
    """Parts of the example: forty files, one of them broken."""
    folder = tmp_path_factory.mktemp("pictures")
    whole = Image.open(example).convert("RGB")
    for number in range(39):
        column, row = number % 3, number // 3 % 2
        part = whole.crop((300 * column, 340 * row, 300 * column + 300, 340 * row + 340))
        part.rotate(number % 7 - 3, fillcolor="gray").save(folder / f"{number:02}.png")
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    return folder


def expected(pictures: Path) -> dict[str, tuple[str, ...]]:
    """The expressions of each file."""
    paths = sorted(pictures.iterdir())
    results = duchenne.Recognizer(threads=1).recognize_batch(paths)
    return {path.name: tuple(face.expression for face in result) for path, result in zip(paths, results)}


def written(folder: Path) -> dict[str, tuple[str, ...]]:
    """The expressions of each file in a folder of Parquet files, in which no file is twice."""
    rows = parquet.read_table(folder, columns=["path", "faces"]).to_pylist()
    names = Counter(Path(row["path"]).name for row in rows)
    assert max(names.values()) == 1, names.most_common(3)
    return {Path(row["path"]).name: tuple(face["expression"] for face in row["faces"]) for row in rows}


def test_a_table_keeps_its_rows(pictures):
    paths = sorted(pictures.iterdir())
    contents = [path.read_bytes() for path in paths]
    table = pyarrow.table({"id": range(len(paths)), "bytes": contents})
    found = RecognizeTable()(table)
    assert found.column_names == ["id", "width", "height", "warning", "error", "faces"]
    assert found.column("id").to_pylist() == list(range(40))
    errors = [error for error in found.column("error").to_pylist() if error]
    assert len(errors) == 1 and "damaged" in errors[0]
    faces = [tuple(face["expression"] for face in faces) for faces in found.column("faces").to_pylist()]
    assert faces == list(expected(pictures).values())
    one = found.column("faces").to_pylist()[0][0]
    assert sum(one["probabilities"].values()) == pytest.approx(1, abs=1e-5) and len(one["landmarks"]) == 10
    with pytest.raises(ValueError, match="already"):
        RecognizeTable()(table.append_column("width", table.column("id")))
    with pytest.raises(ValueError, match="a column named bytes or path"):
        RecognizeTable()(table.select(["id"]))


def test_batches_and_frames_are_the_same_table(pictures):
    paths = [str(path) for path in sorted(pictures.iterdir())]
    table = pyarrow.table({"path": paths})
    expected = RecognizeTable()(table)
    batches = list(recognize_batches(table.to_batches(max_chunksize=16), threads=1))
    assert pyarrow.Table.from_batches(batches).equals(expected)
    assert list(recognize_batches([], model=["built-in", "built-in-compact"])) == []
    frame = recognize_frame(table.to_pandas(), threads=1)
    assert frame["path"].tolist() == paths and len(recognize_frame(table.to_pandas().head(0), threads=1)) == 0


def run(program: str, *arguments: object, **environment: str) -> None:
    """An example as its user runs it."""
    command = [sys.executable, EXAMPLES / program, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment}, timeout=500)
    assert done.returncode == 0, done.stderr[-4000:]


@pytest.mark.cluster
def test_ray_loses_nothing_when_a_worker_is_killed(pictures, tmp_path):
    pytest.importorskip("ray")
    killed = threading.Event()

    def kill() -> None:
        # The first actor that has begun, with all its work.
        for _ in range(1200):
            time.sleep(0.1)
            listing = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True).stdout
            actors = [line.split()[0] for line in listing.splitlines() if "RecognizeTable" in line and "ray::" in line]
            if actors:
                time.sleep(0.3)
                os.kill(int(actors[0]), signal.SIGKILL)
                killed.set()
                return

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    run("ray_faces.py", pictures, tmp_path / "faces", "--actors", 2, "--batch", 2)
    assert killed.is_set(), "no worker was seen"
    assert written(tmp_path / "faces") == expected(pictures)


@pytest.mark.cluster
def test_spark(pictures, tmp_path):
    pytest.importorskip("pyspark")
    options = "--master local[2] pyspark-shell"
    run("spark_faces.py", pictures, tmp_path / "faces", PYSPARK_SUBMIT_ARGS=options, PYSPARK_PYTHON=sys.executable)
    assert written(tmp_path / "faces") == expected(pictures)


@pytest.mark.cluster
def test_dask(pictures, tmp_path):
    pytest.importorskip("distributed")
    run("dask_faces.py", pictures, tmp_path / "faces")
    assert written(tmp_path / "faces") == expected(pictures)
