"""Makes crates/duchenne/tests/goldens/evaluation.json: figures by scikit-learn that Duchenne's evaluation must equal.

Run from the repository root:  python reference/evaluation_goldens.py
Needs numpy, scipy and scikit-learn (versions used are written into the file). ECE, the mid-p value and FER+'s
filter are implemented here, independently of the Rust code.
"""

import json
import pathlib

import numpy as np
import scipy
import sklearn
from scipy.optimize import brentq, minimize_scalar
from scipy.special import log_softmax
from scipy.stats import binom, binomtest
from sklearn import metrics

OUTPUT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "goldens" / "evaluation.json"


def expected_calibration_error(labels, probabilities, bins=15):
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == labels
    edges = np.arange(bins + 1) / bins
    error = 0.0
    for low, high in zip(edges[:-1], edges[1:]):
        inside = (confidence > low) & (confidence <= high)
        if inside.any():
            error += inside.mean() * abs(confidence[inside].mean() - correct[inside].mean())
    return error


def calibration(labels, logits, temperature):
    probabilities = np.exp(log_softmax(logits / temperature, axis=1))
    classes = range(logits.shape[1])
    return {
        # scikit-learn clips probabilities at 2.2e-16, which these logits do not reach.
        "nll": metrics.log_loss(labels, probabilities, labels=classes),
        "brier": metrics.brier_score_loss(labels, probabilities, labels=classes, scale_by_half=False),
        "ece": expected_calibration_error(labels, probabilities),
    }


def fit_temperature(labels, logits):
    """Minimises the log-loss over 1 / temperature; the derivative's root is the same point, known to more digits."""
    rows = np.arange(len(labels))

    def loss(inverse):
        return -log_softmax(logits * inverse, axis=1)[rows, labels].mean()

    def slope(inverse):
        probabilities = np.exp(log_softmax(logits * inverse, axis=1))
        return ((probabilities * logits).sum(axis=1) - logits[rows, labels]).mean()

    by_loss = minimize_scalar(loss, bounds=(0.01, 100), method="bounded", options={"xatol": 1e-12})
    by_slope = brentq(slope, 0.01, 100, xtol=1e-15, rtol=1e-14)
    assert abs(by_loss.x - by_slope) < 1e-5 * by_slope, (by_loss.x, by_slope)
    assert loss(by_slope) <= by_loss.fun + 1e-15
    return 1.0 / by_slope


def bootstrap_interval(labels, predicted, seed, resamples=4000):
    """Macro-F1's percentile bootstrap with numpy's generator: equal to ours up to simulation error."""
    random = np.random.default_rng(seed)
    values = []
    for _ in range(resamples):
        drawn = random.integers(len(labels), size=len(labels))
        values.append(metrics.f1_score(labels[drawn], predicted[drawn], average="macro", zero_division=0))
    return np.quantile(values, [0.025, 0.975]).tolist()


def case(name, seed, n, classes, scale, skill, without_label=None, never_predicted=None, bootstrap=False):
    random = np.random.default_rng(seed)
    allowed = [c for c in range(classes) if c != without_label]
    labels = random.choice(allowed, size=n)
    logits = random.normal(size=(n, classes))
    logits[np.arange(n), labels] += skill
    logits *= scale
    if never_predicted is not None:
        logits[:, never_predicted] = logits.min(axis=1) - 0.5
    # Three decimals keep the file small; both sides read them as float32.
    logits = np.round(logits, 3)
    single = logits.astype(np.float32).astype(np.float64)
    temperature = fit_temperature(labels, single)
    predicted = single.argmax(axis=1)
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        labels, predicted, labels=range(classes), zero_division=0
    )
    # 95 % Wilson interval, by scipy's own implementation.
    correct = int((labels == predicted).sum())
    wilson = binomtest(correct, n).proportion_ci(0.95, method="wilson")
    return {
        "name": name,
        "classes": classes,
        "labels": labels.tolist(),
        "logits": [float(value) for value in logits.ravel()],
        "accuracy": metrics.accuracy_score(labels, predicted),
        "accuracy_interval": [wilson.low, wilson.high],
        "macro_f1": metrics.f1_score(labels, predicted, average="macro", zero_division=0),
        "macro_f1_interval": bootstrap_interval(labels, predicted, seed) if bootstrap else None,
        "balanced_accuracy": metrics.balanced_accuracy_score(labels, predicted),
        "precision": precision.tolist(),
        "recall": recall.tolist(),
        "f1": f1.tolist(),
        "support": support.tolist(),
        "confusion": metrics.confusion_matrix(labels, predicted, labels=range(classes)).tolist(),
        "uncalibrated": calibration(labels, single, 1.0),
        "temperature": temperature,
        "calibrated": calibration(labels, single, temperature),
    }


def mcnemar(only_a, only_b):
    n, fewer = only_a + only_b, min(only_a, only_b)
    point = binom.pmf(fewer, n, 0.5)
    mid = 1 - point / 2 if only_a == only_b else 2 * binom.cdf(fewer, n, 0.5) - point
    return {"only_a": only_a, "only_b": only_b, "p_exact": binomtest(only_a, n).pvalue, "p_mid": mid}


def ferplus_votes(seed, n):
    """Random votes of ten raters, some unanimous and some split, with the majority after the official filter."""
    random = np.random.default_rng(seed)
    rows = []
    for _ in range(n):
        votes = random.multinomial(10, random.dirichlet(np.full(10, 0.25)))
        kept = [int(count) if count >= 2 else 0 for count in votes]
        order = sorted(range(10), key=lambda column: -kept[column])
        majority = order[0] if kept[order[0]] > sum(kept) / 2 and order[0] not in (8, 9) else None
        rows.append({"votes": votes.tolist(), "majority": majority})
    return rows


def main():
    golden = {
        "made_with": {
            "program": "reference/evaluation_goldens.py",
            "scikit-learn": sklearn.__version__,
            "scipy": scipy.__version__,
            "numpy": np.__version__,
        },
        "cases": [
            case("seven classes, over-confident", 1, 180, 7, 2.5, 1.6, bootstrap=True),
            case("seven classes, under-confident", 2, 180, 7, 0.4, 2.0),
            case("a class without images", 3, 120, 7, 1.5, 1.5, without_label=1),
            case("a class never predicted", 4, 120, 7, 1.5, 1.5, never_predicted=4),
            case("a class absent from both", 5, 120, 7, 1.0, 1.5, without_label=2, never_predicted=2),
            case("a class without images, another never predicted", 6, 120, 8, 1.0, 2.0, 7, 0),
            case("little better than guessing", 7, 150, 7, 1.0, 0.3),
            case("two classes", 8, 60, 2, 3.0, 1.0),
            case("few images", 9, 9, 3, 2.0, 0.6),
        ],
        "mcnemar": [
            mcnemar(*pair)
            for pair in [(0, 1), (0, 6), (3, 3), (5, 12), (40, 61), (250, 250), (301, 389), (1500, 1700)]
        ],
        "ferplus": ferplus_votes(10, 150),
    }
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    lines = json.dumps(golden, separators=(",", ":"))
    # One line per case keeps differences readable.
    lines = lines.replace('{"name"', '\n{"name"').replace('"mcnemar"', '\n"mcnemar"').replace('"ferplus"', '\n"ferplus"')
    OUTPUT.write_text(lines + "\n")
    print(f"{OUTPUT}: {OUTPUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
