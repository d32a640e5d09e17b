"""Facial-expression recognition: find the faces of a picture and the expression that each shows.

>>> import duchenne
>>> for face in duchenne.Recognizer().recognize("photo.jpg"):
...     print(face.expression, face.confidence, face.box)

The answer is the expression that a face *shows*, not what a person feels.
"""

import importlib
from typing import TYPE_CHECKING, Any

from ._data import DataSet, import_data
from ._duchenne import DuchenneError, __version__
from ._evaluation import evaluate
from ._recognizer import Face, Picture, Recognizer, Results
from ._research import compare, evaluate_model, generate, train
from ._video import Frame, TrackedFace, Video

if TYPE_CHECKING:
    from ._svm import LinearSVC

__all__ = [
    "DataSet",
    "DuchenneError",
    "Face",
    "Frame",
    "LinearSVC",
    "Picture",
    "Recognizer",
    "Results",
    "TrackedFace",
    "Video",
    "__version__",
    "compare",
    "evaluate",
    "evaluate_model",
    "generate",
    "import_data",
    "train",
]


def __getattr__(name: str) -> Any:
    # scikit-learn, where it is installed, takes seconds to import: only those wait who want its base classes.
    if name == "LinearSVC":
        from ._svm import LinearSVC

        return LinearSVC
    if name in ("cluster", "compat"):
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
