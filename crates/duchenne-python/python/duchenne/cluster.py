"""Tables of pictures in, tables of faces out: what Ray Data, Spark and Dask ask for. Needs pyarrow.

See ``docs/cluster.md``; programs that run are in ``examples/cluster``.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ._recognizer import LANDMARKS, Picture, Recognizer

if TYPE_CHECKING:
    import pandas
    import pyarrow

__all__ = ["RecognizeTable", "recognize_batches", "recognize_frame", "schema"]

#: The columns that hold pictures: bytes of files, or paths.
PICTURES = ("bytes", "path")


def schema(classes: Iterable[str]) -> pyarrow.Schema:
    """What :class:`RecognizeTable` adds to a table: ``width``, ``height``, ``warning``, ``error``, and ``faces``, a list of
    structures: the box, ``score``, ``angle``, ``landmarks`` (x, y of eyes, nose, corners of the mouth, in this order),
    ``expression``, ``confidence`` and ``probabilities``, a structure with a field for each class."""
    import pyarrow

    face = pyarrow.struct(
        [
            *((name, pyarrow.int32()) for name in ("x", "y", "width", "height")),
            ("score", pyarrow.float32()),
            ("angle", pyarrow.float32()),
            ("landmarks", pyarrow.list_(pyarrow.float32())),
            ("expression", pyarrow.string()),
            ("confidence", pyarrow.float32()),
            ("probabilities", pyarrow.struct([(name, pyarrow.float32()) for name in classes])),
        ]
    )
    return pyarrow.schema(
        [
            ("width", pyarrow.int32()),
            ("height", pyarrow.int32()),
            ("warning", pyarrow.string()),
            ("error", pyarrow.string()),
            ("faces", pyarrow.list_(face)),
        ]
    )


class RecognizeTable:
    """Called with a ``pyarrow.Table`` of pictures, gives it back with what :func:`schema` names, a row a picture, in the same order.

    The pictures are the files' bytes in the column ``bytes``, or paths in the column ``path``; bytes are left out of the result.
    A picture that cannot be read has its ``error`` and no faces: nothing is lost. A table that has one of the added columns
    already is refused.

    Parameters are those of :class:`duchenne.Recognizer`, but one thread is enough for an actor or task that has one CPU.
    """

    def __init__(self, model: Any = "built-in", *, threads: int | None = 1, **options: Any) -> None:
        self.recognizer = Recognizer(model, threads=threads, **options)
        self.schema = schema(self.recognizer.classes)

    def __call__(self, table: pyarrow.Table) -> pyarrow.Table:
        import pyarrow

        column = next((name for name in PICTURES if name in table.column_names), None)
        if column is None:
            raise ValueError(f"the table has {table.column_names}, expected a column named {' or '.join(PICTURES)}")
        clash = [name for name in self.schema.names if name in table.column_names]
        if clash:
            raise ValueError(f"the table has columns {clash} already, which would be added: rename them first")
        given = [b"" if picture is None else picture for picture in table.column(column).to_pylist()]
        results = self.recognizer.recognize_batch(given)
        added = pyarrow.Table.from_pylist([_row(result) for result in results], schema=self.schema)
        kept = table.drop_columns(["bytes"]) if "bytes" in table.column_names else table
        for field in self.schema:
            kept = kept.append_column(field, added.column(field.name))
        return kept


_lock = threading.Lock()


@functools.lru_cache(maxsize=None)
def _made(model: Any, options: tuple[tuple[str, Any], ...]) -> RecognizeTable:
    return RecognizeTable(model, **dict(options))


def _of_this_process(model: Any, options: dict[str, Any]) -> RecognizeTable:
    key = tuple(model) if isinstance(model, (list, tuple)) else model
    # One load, however many threads begin at once.
    with _lock:
        return _made(key, tuple(sorted(options.items())))


def recognize_batches(
    batches: Iterable[pyarrow.RecordBatch], model: Any = "built-in", **options: Any
) -> Iterator[pyarrow.RecordBatch]:
    """For Spark's ``mapInArrow``: record batches of pictures to record batches of faces, by one recogniser a process."""
    import pyarrow

    recognize = _of_this_process(model, options)
    for batch in batches:
        yield from recognize(pyarrow.Table.from_batches([batch])).to_batches()


def recognize_frame(frame: pandas.DataFrame, model: Any = "built-in", **options: Any) -> pandas.DataFrame:
    """For Dask's ``map_partitions``: a pandas table of pictures to one of faces, by one recogniser a process."""
    import pandas
    import pyarrow

    recognize = _of_this_process(model, options)
    table = recognize(pyarrow.Table.from_pandas(frame, preserve_index=False))
    return table.to_pandas(types_mapper=pandas.ArrowDtype).set_index(frame.index)


def _row(picture: Picture) -> dict[str, Any]:
    return {
        "width": picture.width,
        "height": picture.height,
        "warning": picture.warning,
        "error": picture.error,
        "faces": [
            {
                **dict(zip(("x", "y", "width", "height"), face.box, strict=True)),
                "score": face.score,
                "angle": face.angle,
                "landmarks": None
                if face.landmarks is None
                else [value for name in LANDMARKS for value in face.landmarks[name]],
                "expression": face.expression,
                "confidence": face.confidence,
                "probabilities": face.probabilities,
            }
            for face in picture.faces
        ],
    }
