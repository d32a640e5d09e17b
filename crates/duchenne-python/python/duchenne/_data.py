"""Packed data sets as arrays."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Union

import numpy
import numpy.typing

from . import _duchenne
from ._duchenne import DuchenneError

_DTYPES: dict[str, numpy.dtype[Any]] = {"U8": numpy.dtype("<u1"), "U16": numpy.dtype("<u2")}

Bytes = numpy.typing.NDArray[numpy.uint8]


class DataSet:
    """A packed data set, opened read-only. Its arrays lie in the file: nothing is copied until it is used.

    >>> data = duchenne.DataSet("fer2013.safetensors")
    >>> rows = data.rows("validation")
    >>> images, labels = data.images[rows], data.labels[rows]

    Made by ``duchenne data import`` (or :func:`import_data`). Raises :class:`DuchenneError` where the file is none.
    """

    #: Its name, such as ``fer2013``.
    name: str
    #: The names of the classes, by label.
    classes: tuple[str, ...]
    #: uint8, n x height x width, or n x height x width x 3 in the order red, green, blue.
    images: Bytes
    #: uint8, n: an index into :attr:`classes`.
    labels: Bytes
    #: uint8, n x 10, or None: how many of ten raters chose each of FER+'s eight classes, unknown, no face.
    votes: Bytes | None
    #: uint16, n, or None: the number of the person.
    subjects: numpy.typing.NDArray[numpy.uint16] | None

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        about = json.loads(_duchenne.describe(self.path))
        self.name = about["name"]
        self.classes = tuple(about["classes"])
        #: Changes with any byte of pictures, labels or splits.
        self.fingerprint: str = about["fingerprint"]
        self._splits: list[str] = about["splits"]
        tensors = _tensors(self.path)
        self.images = tensors["images"]
        self.labels = tensors["labels"]
        self._split = tensors["split"]
        self.votes = tensors.get("votes")
        self.subjects = tensors.get("subject")

    def rows(self, split: str) -> numpy.typing.NDArray[numpy.intp]:
        """The numbers of the rows of a split: ``"training"``, ``"validation"`` (FER-2013's PublicTest) or ``"test"`` (its
        PrivateTest). Choose on validation, and look at test once."""
        if split not in self._splits:
            raise ValueError(f"split = {split!r}, expected one of {', '.join(self._splits)}")
        return numpy.flatnonzero(self._split == self._splits.index(split))

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, row: int) -> tuple[Bytes, str]:
        """A picture and the name of its class."""
        return self.images[row], self.classes[self.labels[row]]

    def __repr__(self) -> str:
        shape = " x ".join(map(str, self.images.shape))
        return f"<duchenne.DataSet {self.name}: {shape}, {', '.join(self.classes)}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return (DataSet, (self.path,))


def _tensors(path: Path) -> dict[str, Any]:
    """The arrays of a safetensors file, mapped (https://huggingface.co/docs/safetensors: eight bytes of length, a header in
    JSON, the tensors)."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header: dict[str, Any] = json.loads(file.read(length))
    header.pop("__metadata__", None)
    arrays = {}
    for name, tensor in header.items():
        start, _ = tensor["data_offsets"]
        shape = tuple(tensor["shape"])
        arrays[name] = numpy.memmap(path, _DTYPES[tensor["dtype"]], "r", 8 + length + start, shape)
    return arrays


def import_data(kind: str, *arguments: Union[str, os.PathLike[str]], out: str | os.PathLike[str]) -> DataSet:
    """Imports pictures as ``duchenne data import`` does, whose options ``arguments`` are, and opens the result.

    >>> data = duchenne.import_data("fer2013", "fer2013.csv", "--ferplus", "fer2013new.csv", out="fer2013.safetensors")
    >>> data = duchenne.import_data("folder", "faces/", "--size", "64", out="own.safetensors")

    ``kind`` is ``fer2013``, ``ckplus``, ``folder``, ``table``, ``ferplus``, ``rafdb``, ``affectnet``, ``jaffe`` or ``expw``; see
    ``duchenne data import KIND --help``. What is wrong with the source stands on standard error, as in the program.
    """
    target = os.fspath(out)
    code = _duchenne.run(["data", "import", kind, *(os.fspath(argument) for argument in arguments), "--out", target])
    if code != 0:
        raise DuchenneError(f"`duchenne data import {kind}` failed with code {code}: see its message on standard error")
    return DataSet(target)
