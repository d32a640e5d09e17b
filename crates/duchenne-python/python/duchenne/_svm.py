"""Linear support vector machines, in scikit-learn's manner."""

from __future__ import annotations

import importlib.util
import inspect
import warnings
from collections.abc import Mapping
from typing import Any

import numpy
import numpy.typing

from . import _duchenne

try:
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted, validate_data

    HAS_SKLEARN = True
except ImportError:
    HAS_SKLEARN = False
    if importlib.util.find_spec("sklearn") is not None:
        warnings.warn("this scikit-learn is older than 1.6: LinearSVC is none of its estimators", stacklevel=2)


class _Parameters:
    """What scikit-learn's base classes give, where it is not installed."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters by name."""
        names = inspect.signature(type(self).__init__).parameters
        return {name: getattr(self, name) for name in names if name != "self"}

    def set_params(self, **parameters: Any) -> Any:
        """Replaces parameters."""
        known = self.get_params()
        for name, value in parameters.items():
            if name not in known:
                raise ValueError(f"{name!r} is no parameter of {type(self).__name__}, expected one of {', '.join(known)}")
            setattr(self, name, value)
        return self

    def score(self, X: Any, y: Any) -> float:
        """The accuracy, 0 to 1."""
        return float(numpy.mean(self.predict(X) == numpy.asarray(y)))  # type: ignore[attr-defined]


_BASES: tuple[type, ...] = (ClassifierMixin, BaseEstimator) if HAS_SKLEARN else (_Parameters,)


class LinearSVC(*_BASES):  # type: ignore[misc]
    """One linear support vector machine per class against the rest, by dual coordinate descent on all cores.

    As ``sklearn.svm.LinearSVC``, whose parameters and attributes these are, with features of 32 bits: the answers agree where
    both converge. Needs numpy alone; with scikit-learn installed it is one of its estimators.

    Parameters
    ----------
    C: what the loss counts against the length of the weights.
    loss: ``"squared_hinge"`` or ``"hinge"``.
    tol: the largest violation of optimality that counts as none.
    max_iter: passes over the samples after which a class gives up, with a warning.
    fit_intercept: whether there is an intercept: the weight of a feature that is always 1, regularised with the others.
    class_weight: ``"balanced"`` counts each class's samples inversely to its frequency; or a dictionary of weights by class.
    random_state: a whole number that decides the order of the samples.

    Attributes
    ----------
    ``classes_``, ``coef_`` (one row a class; of two classes one row, of the second), ``intercept_``, ``n_iter_``,
    ``n_features_in_``.
    """

    def __init__(
        self,
        *,
        C: float = 1.0,
        loss: str = "squared_hinge",
        tol: float = 1e-4,
        max_iter: int = 1000,
        fit_intercept: bool = True,
        class_weight: str | Mapping[Any, float] | None = None,
        random_state: int | None = None,
    ) -> None:
        self.C = C
        self.loss = loss
        self.tol = tol
        self.max_iter = max_iter
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> LinearSVC:
        """Learns from features, n x d, and labels, n, of any kind."""
        features, labels = self._checked(X, y)
        self.classes_, numbers = numpy.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"only one class to learn from ({self.classes_[0]!r}), expected at least two")
        if len(self.classes_) > 256:
            raise ValueError(f"{len(self.classes_)} classes, at most 256 are learned")
        weights, intercepts, passes, converged = _duchenne.fit_svm(
            features, numbers.astype(numpy.uint8).ravel(), self._weights(numbers), self._settings()
        )
        if not all(converged):
            given_up = ", ".join(str(name) for name, done in zip(self.classes_, converged) if not done)
            message = f"{self.max_iter} passes were too few for {given_up}: scale the features, or raise max_iter or tol"
            warnings.warn(message, ConvergenceWarning if HAS_SKLEARN else UserWarning, stacklevel=2)
        first = 1 if len(self.classes_) == 2 else 0
        self.coef_ = weights[first:]
        self.intercept_ = intercepts[first:]
        self.n_iter_ = max(passes)
        return self

    def decision_function(self, X: Any) -> numpy.typing.NDArray[numpy.float64]:
        """Signed distances, n x classes, scaled by the length of the weights; of two classes n, positive for the second."""
        if HAS_SKLEARN:
            check_is_fitted(self)
            features = validate_data(self, X, reset=False, dtype=numpy.float64)
        else:
            if not hasattr(self, "coef_"):
                raise ValueError("not fitted yet: call fit first")
            features = numpy.asarray(X, dtype=numpy.float64)
        decisions: numpy.typing.NDArray[numpy.float64] = features @ self.coef_.T + self.intercept_
        return decisions[:, 0] if len(self.classes_) == 2 else decisions

    def predict(self, X: Any) -> numpy.typing.NDArray[Any]:
        """The class of each row."""
        decisions = self.decision_function(X)
        chosen = (decisions > 0).astype(int) if decisions.ndim == 1 else decisions.argmax(axis=1)
        predicted: numpy.typing.NDArray[Any] = self.classes_[chosen]
        return predicted

    def _weights(self, numbers: numpy.typing.NDArray[numpy.intp]) -> list[float]:
        """The weight of each class."""
        if self.class_weight is None:
            return [1.0] * len(self.classes_)
        if isinstance(self.class_weight, str):
            if self.class_weight != "balanced":
                raise ValueError(f"class_weight = {self.class_weight!r}, expected None, 'balanced' or a dictionary")
            counts = numpy.bincount(numbers.ravel())
            return [len(numbers) / (len(counts) * int(count)) for count in counts]
        known = self.classes_.tolist()
        strange = [name for name in self.class_weight if name not in known]
        if strange:
            raise ValueError(f"class_weight names {strange}, expected classes out of {known}")
        return [float(self.class_weight.get(name, 1.0)) for name in known]

    def _settings(self) -> list[str]:
        losses = {"squared_hinge": "squared-hinge", "hinge": "hinge"}
        if self.loss not in losses:
            raise ValueError(f"loss = {self.loss!r}, expected 'squared_hinge' or 'hinge'")
        seed = self.random_state
        if seed is None:
            seed = 0
        if not isinstance(seed, (int, numpy.integer)) or not 0 <= seed < 1 << 63:
            raise ValueError(f"random_state = {seed!r}, expected a whole number of at least 0, or None")
        for name in ("C", "tol"):
            value = getattr(self, name)
            if not (isinstance(value, (int, float, numpy.number)) and 0 < value < numpy.inf):
                raise ValueError(f"{name} = {value!r}, expected a positive number")
        if not isinstance(self.max_iter, (int, numpy.integer)) or self.max_iter < 1:
            raise ValueError(f"max_iter = {self.max_iter!r}, expected a whole number of at least 1")
        return [
            f"loss={losses[self.loss]}",
            f"c={float(self.C)!r}",
            f"tolerance={float(self.tol)!r}",
            f"max_passes={int(self.max_iter)}",
            f"intercept={str(bool(self.fit_intercept)).lower()}",
            f"seed={int(seed)}",
        ]

    def _checked(self, X: Any, y: Any) -> tuple[numpy.typing.NDArray[numpy.float32], numpy.typing.NDArray[Any]]:
        if HAS_SKLEARN:
            features, labels = validate_data(self, X, y, dtype=numpy.float32, order="C")
            check_classification_targets(labels)
        else:
            features, labels = numpy.ascontiguousarray(X, dtype=numpy.float32), numpy.asarray(y)
            if features.ndim != 2 or labels.shape != features.shape[:1]:
                shapes = f"features of shape {features.shape} and labels of shape {labels.shape}"
                raise ValueError(f"{shapes}, expected (n, d) and (n,)")
            if not len(features):
                raise ValueError("no samples to learn from")
            self.n_features_in_ = features.shape[1]
        constant = numpy.flatnonzero((features == features[:1]).all(axis=0))
        if len(features) > 1 and constant.size:
            some = ", ".join(map(str, constant[:5])) + (", ..." if constant.size > 5 else "")
            warnings.warn(f"{constant.size} features have one value in all samples: {some}", UserWarning, stacklevel=3)
        return features, labels
