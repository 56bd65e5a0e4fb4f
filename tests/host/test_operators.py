"""ONNX's own node tests: a few of each operator here, all of them in the slow test."""

import re
from pathlib import Path

import numpy as np
import pytest

from host.operators import (
    LISTED,
    PAGE,
    TOLERANCE,
    Case,
    Verdict,
    judge,
    load_cases,
    main,
    operators_page,
    select,
)
from tests.compiler.models import model, node

CASES = load_cases()


def sample():
    """Return the first test of each operator that the page has."""
    chosen = {}
    for case in select(CASES):
        if "_expanded" not in case.name:
            chosen.setdefault(case.operator, case)
    return list(chosen.values())


@pytest.mark.parametrize("case", sample(), ids=lambda case: case.name)
def test_one_test_of_each_operator(case):
    verdict = judge(case, target="tiny")
    assert verdict.outcome in ("pass", "refused"), verdict.reason
    if verdict.outcome == "refused":
        row = re.search(rf"^\| {case.operator} \| .*$", PAGE_TEXT, re.M)[0]
        # The page says that some are refused.
        assert row.split(" | ")[3], verdict.reason


PAGE_TEXT = (Path(__file__).parents[2] / PAGE).read_text()


@pytest.mark.slow
def test_the_page_is_up_to_date_and_nothing_is_wrong(monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[2])
    assert main(check=True) == 0


def relu(output):
    proto = model([node("Relu", ["x"], "y")], {"x": (3,)})
    inputs = np.array([-1, 0.5, 2], np.float32)
    return Case("relu", "Relu", proto, [([inputs], [np.asarray(output)])], True)


@pytest.mark.parametrize(("output", "reason"), [
    (np.array([0, 0.5, 2], np.float32), ""),
    (np.array([0, 0.5, 2 + 3 * TOLERANCE], np.float32), "output 'y' is off by 0.0117, its range"),
    (np.array([[0, 0.5, 2]], np.float32), r"output 'y' is float32 of shape \[3\], not float32 of"),
    (np.array([0, 0.5, 2]), "not float64"),
])
def test_verdicts_on_outputs(output, reason):
    verdict = judge(relu(output), "reference", "tiny")
    assert verdict.outcome == ("wrong" if reason else "pass")
    assert re.search(reason, verdict.reason)


def test_numbers_of_maps_must_be_equal():
    proto = model([node("ArgMax", ["x"], "y", axis=1, keepdims=0)], {"x": (1, 3)},
                  integers=("y",))
    inputs = [np.array([[1, 3, 2]], np.float32)]
    for index, outcome in ((1, "pass"), (2, "wrong")):
        case = Case("", "ArgMax", proto, [(inputs, [np.array([index])])], True)
        assert judge(case, "reference", "tiny").outcome == outcome


def test_a_refusal_has_its_reason():
    proto = model([node("NonZero", ["x"], "y")], {"x": (3,)})
    verdict = judge(Case("", "NonZero", proto, [([np.ones(3, np.float32)], [])], True))
    assert verdict.outcome == "refused" and "NonZero" in verdict.reason


def test_the_page_counts_and_names():
    cases = [case for case in CASES if case.operator in ("Relu", "LSTM")]
    verdicts = {case.name: Verdict("pass") for case in cases if case.operator == "Relu"}
    page = operators_page(cases, verdicts)
    assert "| Relu | 1 of 1 |  |  | 1 of 1 |  |" in page and "Not supported: LSTM." in page
    verdicts["test_relu"] = Verdict("refused", "y (Relu): shape [1, 2] is odd; supported is even")
    assert "| Relu | 0 of 1 |  | 1 | 1 of 1 | shape [1, 2] is odd (1) |" in operators_page(
        cases, verdicts)


def test_every_listed_operator_of_the_tests_is_there():
    assert len({case.operator for case in select(CASES)}) > 80
    assert sorted(LISTED) == list(LISTED)
