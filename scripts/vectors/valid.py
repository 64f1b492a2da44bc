"""Files as edgediff itself writes them, of every kind of content."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from edgediff import Diff, Head, dumps
from edgediff.diff import Kind, Metric, Task
from vectors.parts import BASE, EXAMPLE, TASK, Shape, diff
from vectors.vector import Vector, valid

Row = tuple[str, str, Diff]


def vectors() -> list[Vector]:
    """All vectors of this topic."""
    rows = [*_example(), *_tasks(), *_texts(), *_tensors(), *_classes(), *_levels(), *_heads()]
    return [valid(f"valid-{name}", text, dumps(whole), whole) for name, text, whole in rows]


def _example() -> list[Row]:
    return [
        ("by-hand", "the document's file by hand", EXAMPLE),
        ("no-tensor", "a task that changes nothing: it is all head", diff({})),
    ]


def _tasks() -> list[Row]:
    pair = Task(
        "pair",
        Kind.CLASSIFICATION,
        "premise",
        "hypothesis",
        "gold",
        ("entailment", "neutral", "contradiction"),
        Metric.F1,
        max_length=65535,
    )
    many = tuple(f"intent {i}" for i in range(40))
    tasks = [
        ("pair", "two texts, three labels, a metric and a longest text of one's own", pair),
        ("matthews", "the Matthews correlation", replace(TASK, metric=Metric.MATTHEWS_CORRELATION)),
        ("shortest", "texts cut to 3 tokens", replace(TASK, max_length=3)),
        ("label-empty", "a label without a letter", replace(TASK, labels=("", " "))),
        (
            "labels-alike",
            "labels that differ in case or in composition",
            replace(TASK, labels=("é", "É", "e\u0301")),
        ),
        ("labels-40", "40 labels", replace(TASK, labels=many)),
        ("regression", "a regression", Task("r", Kind.REGRESSION, "text", metric=Metric.PEARSON_SPEARMAN)),
        (
            "regression-pair",
            "a regression of two texts",
            Task("r", Kind.REGRESSION, "a", "b", "score", metric=Metric.PEARSON_SPEARMAN),
        ),
        (
            "token",
            "token classification",
            Task(
                "t",
                Kind.TOKEN_CLASSIFICATION,
                "tokens",
                label="tags",
                labels=("O", "B", "I"),
                metric=Metric.F1,
            ),
        ),
        (
            "answering",
            "question answering",
            Task("q", Kind.QUESTION_ANSWERING, "question", "context", None, (), Metric.F1, "spans", 384),
        ),
    ]
    return [(f"task-{name}", text, diff({"w": ((4, 8), [3, 20])}, task=task)) for name, text, task in tasks]


def _texts() -> list[Row]:
    """Names and provenance; what takes two units of UTF-16 is one character."""
    astral = "\U0001f600"
    one: tuple[Shape, list[int]] = (2,), [1]
    order = ["A", "a", "a.b", "a.b.c", "layer.10", "layer.9", "z", "\u00e9", "\ud7ff", "\uff5e", astral]
    task = Task("Größe", Kind.CLASSIFICATION, "文", labels=("да", "нет"))
    largest = replace(BASE, name="", parameters=1 << 40)
    named = diff({"κόσμε": one}, task=task, base=replace(BASE, name="基"))
    values = {"a": "v" * 1024, "b": astral * 1024, "": ""}
    keys = {f"{i:02}" + astral * 62: "" for i in range(64)}
    return [
        ("names-order", "names ascend by code points, not by UTF-16 units", diff(dict.fromkeys(order, one))),
        ("names-longest", "names of 512 characters", diff({"n" * 512: one, astral * 512: one})),
        ("names-odd", "names with a NUL, a quote and a line end", diff({"\0": one, "\n": one, ' "\\': one})),
        ("names-foreign", "texts in many scripts", named),
        ("base-largest", "a base without a name, of 2^40 parameters", diff({"w": one}, base=largest)),
        ("provenance-longest", "64 keys of 64 characters", diff({"w": one}, provenance=keys)),
        ("provenance-value", "values of 1,024 characters", diff({"w": one}, provenance=values)),
    ]


def _tensors() -> list[Row]:
    """One set each: with fewer than 64 entries the writer makes no classes, nor on an axis above 2^20."""
    beyond = (1 << 20) + 1
    tensors: list[tuple[str, str, Shape, Sequence[int]]] = [
        ("single", "a tensor of one entry", (1,), [0]),
        ("all", "every entry changes: nothing is written", (5, 7), range(35)),
        ("all-but-one", "an inverted set of one number", (5, 7), [*range(11), *range(12, 35)]),
        ("half", "half of the entries: the set is not inverted", (4, 6), range(0, 24, 2)),
        ("above-half", "one more than half: the set is inverted", (4, 6), [0, *range(1, 24, 2)]),
        ("odd-half", "half of an odd number, rounded up: the set is inverted", (9,), range(0, 9, 2)),
        ("odd-below", "half of an odd number, rounded down: the set is not inverted", (9,), range(1, 9, 2)),
        ("first", "the first entry", (100, 100), [0]),
        ("last", "the last entry", (100, 100), [9999]),
        ("vector", "one axis", (1000,), [0, 1, 500, 999]),
        ("row", "one row", (1, 1000), [0, 1, 500, 999]),
        ("column", "one column", (1000, 1), [0, 1, 500, 999]),
        ("four-axes", "four axes", (6, 3, 2, 2), [0, 11, 12, 71]),
        ("eight-axes", "eight axes", (2, 1, 1, 3, 1, 1, 1, 2), [0, 5, 6, 11]),
        ("k-0", "gaps that have no remainder", (50,), [*range(0, 36, 2), 40, 44, 48, 49]),
        ("bytes", "quotients and remainders that fill their bytes", (28,), [2, 3, 7, 8, 12, 17, 22, 25]),
        ("nine-bits", "the longest last gap there can be: nine bits of quotients", (24,), [0, 1, 2, 23]),
        ("run", "more than 1,000 zeros in a quotient", (beyond, 2), [*range(500), 2 * beyond - 1]),
    ]
    bounds: dict[str, tuple[Shape, list[int]]] = {
        "a": ((67,), [66]),  # 133 * 2^6 is not below 64 * 133, so k is 5
        "b": ((68,), [67]),  # 133 * 2^6 is just below 64 * 135
        "c": ((135,), [60, 134]),  # 266 * 2^6 is just below 64 * 268
    }
    several: dict[str, tuple[Shape, list[int]]] = {
        f"layer.{i}": ((8 << i, 4), list(range(0, 32 << i, 3 + 5 * i))) for i in range(4)
    }
    return [
        *((f"tensor-{name}", text, diff({"w": (shape, at)})) for name, text, shape, at in tensors),
        ("k-bounds", "sizes at which k is about to change", diff(bounds)),
        ("tensors", "four tensors of sets of several k", diff(several)),
    ]


def _classes() -> list[Row]:
    """Tensors that change so unevenly that the writer makes classes."""
    side = 32
    cells = range(side * side)
    rows = [i for i in cells if i // side in (3, 17, 18) or i % 97 == 0]
    columns = [i for i in cells if i % side in (0, 5, 31) or i % 97 == 0]
    both = [i for i in cells if (i // side in (2, 9, 20, 21)) != (i % side in (4, 8, 15, 16, 30))]
    whole = [i for i in cells if i // side in (3, 17, 18)]
    evenly = [i * i % 1021 for i in range(1, 100)]
    return [
        ("classes-rows", "some rows change in nearly every entry", diff({"w": ((side, side), rows)})),
        (
            "classes-columns",
            "some columns change in nearly every entry",
            diff({"w": ((side, side), columns)}),
        ),
        (
            "classes-both",
            "rows and columns that change but where they meet",
            diff({"w": ((side, side), both)}),
        ),
        (
            "classes-whole",
            "some rows change as a whole, all others not at all",
            diff({"w": ((side, side), whole)}),
        ),
        ("classes-vector", "a vector whose first entries change", diff({"w": ((1000,), range(70))})),
        ("classes-none", "entries that lie evenly", diff({"w": ((side, side), sorted(set(evenly)))})),
        (
            "classes-several",
            "tensors with classes beside tensors without",
            diff({"a": ((side, side), rows), "b": ((9,), [4]), "c": ((side, side), both)}),
        ),
    ]


def _levels() -> list[Row]:
    most = [1 / 64 + i / 2048 for i in range(128)]
    some: dict[str, tuple[Shape, range]] = {"w": ((4, 8), range(3, 15))}
    return [
        ("levels-1", "one level, both signs", diff(some, (0.0625,))),
        ("levels-3", "three levels: no power of two", diff(some, (0.1240234375, 0.5, 3))),
        ("levels-128", "128 levels, all 256 codes", diff({"w": ((16, 32), range(0, 512, 2))}, most)),
        ("levels-extreme", "the ends of half precision", diff(some, (2**-24, 2**-14, 1, 65504))),
        ("levels-no-tensor", "128 levels and no entry", diff({}, most)),
    ]


def _heads() -> list[Row]:
    step, largest = 2.0**-126, 2.0**120
    low = [[step, 0], [-63 * step, 2 * step], [127 * step, -step]]
    biases = [float(np.finfo(np.float32).max), -(2.0**-149), -0.0, 0.25, -1.5]
    wide = [[(i * p % 255 - 127) / q for i in range(300)] for p, q in ((37, 128), (91, 2))]
    table: list[tuple[str, str, list[list[float]], list[float]]] = [
        ("zeros", "rows of zeros", [[0, 0, 0], [0, 0, 0]], [0, 0]),
        ("codes", "the ends of the largest codes", [[127, -127], [64, 1], [-64, 63], [0, -127]], [0] * 4),
        ("lowest", "the exponent -126 with small codes and with large ones", low, [0, 0, 0]),
        ("125", "the exponent -125", [[128 * step, 0], [-254 * step, 2 * step]], [0, 0]),
        ("highest", "the exponent 120", [[127 * largest, -largest], [64 * largest, 0]], [0, 0]),
        ("biases", "the largest bias, the smallest, minus zero and others", [[1]] * 5, biases),
        ("width-1", "a feature of width 1", [[0.5], [-0.25]], [1, -1]),
        ("wide", "a feature of width 300: row after row", wide, [0.5, -0.5]),
    ]
    return [(f"head-{name}", text, _with_head(weight, bias)) for name, text, weight, bias in table]


def _with_head(weight: list[list[float]], bias: list[float]) -> Diff:
    task = replace(TASK, labels=tuple(map(str, range(len(bias)))))
    base = replace(BASE, width=len(weight[0]))
    head = Head(np.array(weight, np.float32), np.array(bias, np.float32))
    return diff({"w": ((4, 8), [3, 20])}, task=task, base=base, head=head)
