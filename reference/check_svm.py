"""Duchenne's linear SVM beside scikit-learn's LinearSVC on a feature file: objective, predictions, time.

Set-up: python3 -m venv .venv && .venv/bin/pip install numpy scikit-learn safetensors
Use:    .venv/bin/python reference/check_svm.py target/release/duchenne FEATURES.safetensors
        .venv/bin/python reference/check_svm.py target/release/duchenne random:28709x12288
        .venv/bin/python reference/check_svm.py target/release/duchenne RUN/features   # kept by `svm fit`, joined here
"""

import glob
import os
import subprocess
import sys
import tempfile
import time

import numpy as np
from safetensors.numpy import load_file, save_file
from sklearn.svm import LinearSVC


def objective(x, y, weights, intercepts):
    total = 0.0
    for label, (w, b) in enumerate(zip(weights, intercepts)):
        short = np.maximum(0, 1 - np.where(y == label, 1.0, -1.0) * (x @ w + b))
        total += (w @ w + b * b) / 2 + (short**2).sum()
    return total


def random_features(shape):
    """Classes that overlap, of rectified units scaled to length one, as joined deep features are."""
    n, d = map(int, shape.split("x"))
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 7, n).astype(np.uint8)
    centres = generator.normal(size=(7, d)).astype(np.float32)
    features = np.empty((n, d), np.float32)
    for begin in range(0, n, 1000):
        rows = slice(begin, begin + 1000)
        noise = generator.normal(size=(len(labels[rows]), d)).astype(np.float32) * 4
        features[rows] = np.maximum(centres[labels[rows]] * 0.25 + noise, 0)
        features[rows] /= np.linalg.norm(features[rows], axis=1, keepdims=True)
    return features, labels


def joined_features(folder):
    """The Training features that `svm fit` kept: those of its networks joined, each row scaled to length one."""
    parts = {}
    for path in sorted(glob.glob(os.path.join(folder, "*-training-*.safetensors"))):
        network = os.path.basename(path).split("-")[0]
        file = load_file(path)
        parts.setdefault(network, []).append((file["features"], file["labels"]))
    features = np.concatenate([np.concatenate([rows for rows, _ in files]) for files in parts.values()], axis=1)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    return features, np.concatenate([labels for _, labels in next(iter(parts.values()))])


program, source = sys.argv[1:3]
with tempfile.TemporaryDirectory() as folder:
    path = source
    if source.startswith("random:") or os.path.isdir(source):
        features, labels = random_features(source[7:]) if source.startswith("random:") else joined_features(source)
        path = os.path.join(folder, "features.safetensors")
        save_file({"features": features, "labels": labels}, path)
        del features
    file = load_file(path)
    x, y = file["features"], file["labels"]
    varies = x.min(0) != x.max(0)
    if not varies.all():
        x = np.ascontiguousarray(x[:, varies])
        path = os.path.join(folder, "features.safetensors")
        save_file({"features": x, "labels": y}, path)
    run = os.path.join(folder, "run")
    finished = subprocess.run([program, "svm", "fit", "--features", path, "--run", run], capture_output=True, text=True)
    print(finished.stderr.strip())
    line = next(line for line in finished.stderr.splitlines() if line.startswith("fit:"))
    ours_seconds = float(line.rsplit(",", 1)[1].split()[0])
    model = os.path.join(run, "svm.safetensors")
    machine = load_file(model)
    begun = time.perf_counter()
    svm = LinearSVC().fit(x, y)
    theirs_seconds = time.perf_counter() - begun
    ours = objective(x, y, machine["weight"], machine["bias"])
    theirs = objective(x, y, svm.coef_, svm.intercept_)
    predictions = (x @ machine["weight"].T + machine["bias"]).argmax(1)
    equal = (predictions == svm.predict(x)).mean()
    print(f"{x.shape[0]} x {x.shape[1]}: objective {ours:.6f} against {theirs:.6f} ({ours / theirs - 1:+.2e}), "
          f"{equal:.2%} equal predictions, {ours_seconds:.1f} s against {theirs_seconds:.1f} s "
          f"(ratio {theirs_seconds / ours_seconds:.2f})")
