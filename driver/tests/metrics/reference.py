#!/usr/bin/env python3
"""Makes the reference vectors of `driver/tests/metrics.rs` with scikit-learn: for every case a table of predictions
and labels (CSV) and what scikit-learn says of them (one `name value` per line).

Usage: python3 driver/tests/metrics/reference.py       (needs numpy and scikit-learn)
"""
import pathlib
import warnings

import numpy as np
from sklearn import metrics

FOLDER = pathlib.Path(__file__).parent
RANDOM = np.random.default_rng(20)
AVERAGES = ["macro", "micro", "weighted"]


def write(name, columns, table, values):
    header = ",".join(columns)
    rows = "\n".join(",".join(repr(float(value)) for value in row) for row in table)
    (FOLDER / f"{name}.csv").write_text(f"{header}\n{rows}\n")
    (FOLDER / f"{name}.txt").write_text("".join(f"{key} {value!r}\n" for key, value in values.items()))


def grid(shape, step=64):
    """Numbers that a few decimals hold exactly."""
    return np.round(RANDOM.normal(size=shape) * step) / step


def averaged(values, label, decided, classes):
    for average in AVERAGES:
        for name, score in [("precision", metrics.precision_score), ("recall", metrics.recall_score),
                            ("f1", metrics.f1_score)]:
            values[f"{name}_{average}"] = float(score(label, decided, average=average, zero_division=0))
    for name, score in [("precision", metrics.precision_score), ("recall", metrics.recall_score),
                        ("f1", metrics.f1_score)]:
        single = score(label, decided, average=None, labels=list(range(classes)), zero_division=0)
        for number, value in enumerate(single):
            values[f"{name}_class.{number}"] = float(value)
    values["mean_iou"] = float(metrics.jaccard_score(label, decided, average="macro", zero_division=0))


def multiclass(name, scores, label, ranked=True):
    classes = scores.shape[1]
    decided = scores.argmax(axis=1)
    values = {"accuracy": float(metrics.accuracy_score(label, decided))}
    values["top_k"] = float(metrics.top_k_accuracy_score(label, scores, k=2, labels=list(range(classes))))
    averaged(values, label, decided, classes)
    shifted = np.exp((scores - scores.max(axis=1, keepdims=True)).astype(np.float64))
    probability = shifted / shifted.sum(axis=1, keepdims=True)
    areas, precisions = [], []
    for number in range(classes):
        truth = label == number
        if truth.any() and not truth.all():
            areas.append(metrics.roc_auc_score(truth, probability[:, number]))
        if truth.any():
            precisions.append(metrics.average_precision_score(truth, probability[:, number]))
    if len(np.unique(label)) == classes:
        together = metrics.roc_auc_score(label, probability, multi_class="ovr", average="macro")
        assert abs(together - np.mean(areas)) < 1e-12
    if ranked:
        values["auc"] = float(np.mean(areas))
        values["average_precision"] = float(np.mean(precisions))
    counts = metrics.confusion_matrix(label, decided, labels=list(range(classes)))
    values["confusion"] = " ".join(str(count) for count in counts.flatten())
    columns = [f"s{number}" for number in range(classes)] + ["label"]
    text = {key: value for key, value in values.items() if key != "confusion"}
    write(name, columns, np.column_stack([scores, label]), text)
    with open(FOLDER / f"{name}.txt", "a") as file:
        file.write(f"confusion {values['confusion']}\n")


def binary(name, scores, label):
    decided = (scores > 0).astype(int)
    values = {"accuracy": float(metrics.accuracy_score(label, decided))}
    for key, score in [("precision", metrics.precision_score), ("recall", metrics.recall_score),
                       ("f1", metrics.f1_score)]:
        values[f"{key}_binary"] = float(score(label, decided, zero_division=0))
        values[f"{key}_macro"] = float(score(label, decided, average="macro", zero_division=0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        values["auc"] = float(metrics.roc_auc_score(label, scores)) if len(set(label)) == 2 else float("nan")
        values["average_precision"] = float(metrics.average_precision_score(label, scores))
    write(name, ["s", "label"], np.column_stack([scores, label]), values)


def regression(name, prediction, target):
    values = {
        "mae": float(metrics.mean_absolute_error(target, prediction)),
        "mse": float(metrics.mean_squared_error(target, prediction)),
        "rmse": float(metrics.root_mean_squared_error(target, prediction)),
        "r2": float(metrics.r2_score(target, prediction)),
    }
    write(name, ["s", "label"], np.column_stack([prediction, target]), values)


def regressions(name, prediction, target):
    """Several outputs: each by itself, then their mean."""
    values = {
        "mae": float(metrics.mean_absolute_error(target, prediction)),
        "mse": float(metrics.mean_squared_error(target, prediction)),
        "rmse": float(metrics.root_mean_squared_error(target, prediction)),
        "r2": float(metrics.r2_score(target, prediction)),
    }
    outputs = range(prediction.shape[1])
    columns = [f"s{number}" for number in outputs] + [f"t{number}" for number in outputs]
    write(name, columns, np.column_stack([prediction, target]), values)


def pixels(name, scores, label, ignored):
    """Scores [samples, classes, pixels] and labels [samples, pixels]; pixels of the class `ignored` count nowhere."""
    samples, classes, places = scores.shape
    counts = label != ignored
    truth, decided = label[counts], scores.argmax(axis=1)[counts]
    values = {"accuracy": float(metrics.accuracy_score(truth, decided)),
              "top_k": float(metrics.top_k_accuracy_score(
                  truth, scores.transpose(0, 2, 1)[counts], k=2, labels=list(range(classes))))}
    averaged(values, truth, decided, classes)
    for number, value in enumerate(metrics.jaccard_score(
            truth, decided, average=None, labels=list(range(classes)), zero_division=0)):
        values[f"iou_class.{number}"] = float(value)
    columns = [f"s{number}" for number in range(classes * places)] + [f"t{number}" for number in range(places)]
    write(name, columns, np.column_stack([scores.reshape(samples, -1), label]), values)
    matrix = metrics.confusion_matrix(truth, decided, labels=list(range(classes)))
    with open(FOLDER / f"{name}.txt", "a") as file:
        file.write(f"confusion {' '.join(str(count) for count in matrix.flatten())}\n")


multiclass("several", grid((90, 5)), RANDOM.integers(0, 5, 90))
# Class 3 is no label but is decided for, class 4 is neither.
absent = grid((70, 5))
absent[:, 4] = -8
multiclass("absent", absent, RANDOM.integers(0, 3, 70))
# Rows of the same scores in another order have equal probabilities but for rounding, so ranks are left out.
multiclass("ties", RANDOM.integers(0, 3, (80, 4)) / 2.0, RANDOM.integers(0, 4, 80), ranked=False)
binary("binary", grid(75), RANDOM.integers(0, 2, 75))
binary("binary_ties", RANDOM.integers(-2, 3, 75) / 2.0, RANDOM.integers(0, 2, 75))
binary("one_class", grid(40), np.ones(40, dtype=int))
binary("never_taken", -np.abs(grid(40)), RANDOM.integers(0, 2, 40))
target = grid(85) * 3
regression("regression", np.round((target + grid(85) * 0.5) * 64) / 64, target)
# A mean far from zero, where sums of squares lose what counts.
regression("far", grid(85) / 4 + 1000, grid(85) / 4 + 1000)
# Few different rows, so that scores of a class are equal where rows are, and nowhere else.
rows = grid((9, 4))
chosen = RANDOM.integers(0, 9, 96)
multiclass("equal_rows", rows[chosen], RANDOM.integers(0, 4, 96))
# One class alone is a label, another alone is decided for; ranks then are of nothing.
apart = np.full((33, 3), -2.0)
apart[:, 2] = np.abs(grid(33))
multiclass("apart", apart, np.zeros(33, dtype=int), ranked=False)
# Targets that never vary, met exactly and not; and beside one that does.
regression("constant", grid(50), np.full(50, 0.25))
regression("constant_met", np.full(50, 0.25), np.full(50, 0.25))
target = grid((61, 3))
target[:, 1] = -7.75
regressions("outputs", target + grid((61, 3)) / 4, target)
# Class 9 is that of pixels that do not count; class 0 is one of the model's, ignored all the same.
label = RANDOM.integers(0, 4, (21, 6))
label[RANDOM.random((21, 6)) < 0.3] = 9
pixels("pixels", grid((21, 4, 6)), label, 9)
pixels("background", grid((21, 4, 6)), RANDOM.integers(0, 4, (21, 6)), 0)
