"""Golden numbers of scikit-learn's LinearSVC on its digits set, for crates/duchenne-cli/tests/it/svm.rs: objective and predictions.

Set-up: python3 -m venv .venv && .venv/bin/pip install numpy scikit-learn
Use:    .venv/bin/python reference/svm_goldens.py > crates/duchenne-cli/tests/goldens/svm.json
"""

import json
import sys

import numpy as np
import sklearn
from sklearn.datasets import load_digits
from sklearn.svm import LinearSVC

TRAINING = 1200


def objectives(svm, x, y, c, loss):
    """Per class: (|w|^2 + b^2) / 2 + sum of C times loss."""
    values = []
    for label, (w, b) in enumerate(zip(svm.coef_, svm.intercept_)):
        sign = np.where(y == label, 1.0, -1.0)
        cost = c * np.where(y == label, svm.class_weight_[label], 1.0)
        short = np.maximum(0, 1 - sign * (x @ w + b))
        values.append(float((w @ w + b * b) / 2 + (cost * (short**2 if loss == "squared-hinge" else short)).sum()))
    return values


digits = load_digits()
pixels = digits.data.astype(int)
pixels = pixels[:, pixels[:TRAINING].min(0) != pixels[:TRAINING].max(0)]
x, y = (pixels / 16).astype(np.float32).astype(float), digits.target
cases = []
for loss, c, weights, intercept in [("squared-hinge", 1.0, "none", True), ("hinge", 1.0, "none", True),
                                    ("squared-hinge", 0.1, "balanced", True), ("squared-hinge", 1.0, "none", False)]:
    svm = LinearSVC(loss=loss.replace("-", "_"), C=c, class_weight=None if weights == "none" else weights,
                    fit_intercept=intercept, dual=True if loss == "hinge" else "auto", max_iter=100_000, tol=1e-6)
    svm.fit(x[:TRAINING], y[:TRAINING])
    if not intercept:
        svm.intercept_ = np.zeros(10)
    frequency = np.bincount(y[:TRAINING])
    svm.class_weight_ = np.ones(10) if weights == "none" else TRAINING / (10 * frequency)
    cases.append({
        "loss": loss, "c": c, "class_weights": weights, "intercept": intercept,
        "objectives": objectives(svm, x[:TRAINING], y[:TRAINING], c, loss),
        "predictions": "".join(map(str, (x @ svm.coef_.T + svm.intercept_).argmax(1))),
    })
json.dump({
    "made_by": f"scikit-learn {sklearn.__version__}", "training": TRAINING, "length": pixels.shape[1],
    "pixels": "".join("0123456789abcdefg"[value] for value in pixels.reshape(-1)),
    "labels": "".join(map(str, y)), "cases": cases,
}, sys.stdout)
