"""LinearSVC beside scikit-learn's."""

from __future__ import annotations

import numpy
import pytest

import duchenne

sklearn = pytest.importorskip("sklearn")


def blobs(classes: int, seed: int = 0):
    random = numpy.random.default_rng(seed)
    labels = random.integers(0, classes, 300)
    return random.normal(size=(300, 6)) + random.normal(size=(classes, 6))[labels], labels


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("loss", ["squared_hinge", "hinge"])
@pytest.mark.parametrize("weights", [None, "balanced"])
def test_weights_are_those_of_scikit_learn(classes, loss, weights):
    from sklearn.svm import LinearSVC

    features, labels = blobs(classes)
    names = numpy.array(["a", "b", "c", "d"])[labels]
    settings = {"C": 0.3, "loss": loss, "tol": 1e-8, "max_iter": 100_000, "class_weight": weights}
    ours = duchenne.LinearSVC(**settings).fit(features, names)
    theirs = LinearSVC(dual=True, **settings).fit(features.astype(numpy.float32).astype(float), names)
    assert numpy.allclose(ours.coef_, theirs.coef_, atol=2e-4)
    assert numpy.allclose(ours.intercept_, theirs.intercept_, atol=2e-4)
    assert numpy.allclose(ours.decision_function(features), theirs.decision_function(features), atol=2e-3)
    assert (ours.predict(features) == theirs.predict(features)).all()
    assert ours.score(features, names) == theirs.score(features, names)


def test_parameters_and_search():
    from sklearn.base import clone
    from sklearn.model_selection import GridSearchCV

    features, labels = blobs(3)
    search = GridSearchCV(duchenne.LinearSVC(), {"C": [0.01, 1.0]}, cv=3).fit(features, labels)
    assert search.best_params_["C"] in (0.01, 1.0)
    assert clone(duchenne.LinearSVC(C=7.0)).get_params()["C"] == 7.0


def test_what_it_says():
    features, labels = blobs(3)
    features[:, 2] = 5
    with pytest.warns(UserWarning, match="1 features have one value in all samples: 2"):
        duchenne.LinearSVC().fit(features, labels)
    with pytest.warns(sklearn.exceptions.ConvergenceWarning, match="too few"):
        duchenne.LinearSVC(max_iter=1, C=1000.0).fit(blobs(3)[0], labels)
    with pytest.raises(ValueError, match="only one class"):
        duchenne.LinearSVC().fit(blobs(3)[0], numpy.zeros(300))
    for settings in (
        {"loss": "huber"},
        {"class_weight": "x"},
        {"class_weight": {9: 1.0}},
        {"random_state": "x"},
        {"random_state": -1},
        {"C": 0},
        {"max_iter": 0},
    ):
        with pytest.raises(ValueError, match="expected"):
            duchenne.LinearSVC(**settings).fit(*blobs(3))


#: Checks of scikit-learn's that do not hold, with the reason.
EXPECTED_FAILURES: dict[str, str] = {}


def test_it_is_an_estimator_of_scikit_learn():
    from sklearn.utils.estimator_checks import check_estimator

    results = check_estimator(
        duchenne.LinearSVC(), on_fail=None, on_skip=None, expected_failed_checks=EXPECTED_FAILURES
    )
    failed = {result["check_name"]: str(result["exception"]) for result in results if result["status"] == "failed"}
    assert failed == {}
    skipped = {result["check_name"]: str(result["exception"]) for result in results if result["status"] == "skipped"}
    print(f"{len(results)} checks, skipped: {skipped}")
    assert sum(result["status"] == "passed" for result in results) > 40
