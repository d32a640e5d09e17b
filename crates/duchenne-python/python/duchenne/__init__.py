"""Facial-expression recognition: find the faces of a picture and the expression that each shows.

>>> import duchenne
>>> for face in duchenne.Recognizer().recognize("photo.jpg"):
...     print(face.expression, face.confidence, face.box)

The answer is the expression that a face *shows*, not what a person feels.
"""

from ._data import DataSet, import_data
from ._duchenne import DuchenneError, __version__
from ._evaluation import evaluate
from ._recognizer import Face, Picture, Recognizer, Results
from ._research import compare, evaluate_model, generate, train
from ._svm import LinearSVC

__all__ = [
    "DataSet",
    "DuchenneError",
    "Face",
    "LinearSVC",
    "Picture",
    "Recognizer",
    "Results",
    "__version__",
    "compare",
    "evaluate",
    "evaluate_model",
    "generate",
    "import_data",
    "train",
]
