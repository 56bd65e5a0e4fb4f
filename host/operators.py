"""Which ONNX operators run on the machine, judged by ONNX's own backend node tests.

``python -m host.operators`` runs them and writes `docs/operators.md`; ``--check`` only compares.
"""

import re
import sys
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx.backend.test.loader import load_model_tests

from compiler.errors import CompileError

from .console import ProgressDisplay
from .onnx_backend import NeuFlowBackend
from .samples import InputError

__all__ = ["LISTED", "PAGE", "TOLERANCE", "Case", "Verdict", "judge", "load_cases",
           "operators_page", "run", "select"]

#: Where the page stands, from the project's root.
PAGE = Path("docs/operators.md")

#: What an output may differ from ONNX's, as a share of its range.
TOLERANCE = 2.0**-8

#: Operators of the page. Others of the test suite are named in one line.
LISTED = (
    "Abs Acosh Add ArgMax ArgMin Asinh Atan AveragePool BatchNormalization Cast Celu Clip "
    "Concat Constant Conv ConvTranspose Cos Cosh DepthToSpace DequantizeLinear Div Dropout Elu "
    "Erf Exp Expand Flatten Gather Gelu Gemm GlobalAveragePool GlobalLpPool GlobalMaxPool "
    "GroupNormalization HardSigmoid HardSwish Identity InstanceNormalization LRN "
    "LayerNormalization LeakyRelu Log LogSoftmax LpNormalization LpPool MatMul Max MaxPool Mean "
    "MeanVarianceNormalization Min Mish Mul Neg PRelu Pad Pow QuantizeLinear RMSNormalization "
    "Reciprocal ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin "
    "ReduceSum ReduceSumSquare Relu Reshape Resize Selu Shrink Sigmoid Sin Sinh Slice Softmax "
    "Softplus Softsign SpaceToDepth Split Sqrt Squeeze Sub Sum Swish Tanh ThresholdedRelu Tile "
    "Transpose Unsqueeze Upsample").split()

_FLOAT = onnx.TensorProto.FLOAT
_WHOLE = {onnx.TensorProto.INT64, onnx.TensorProto.INT32, onnx.TensorProto.BOOL}


@dataclass(frozen=True)
class Case:
    """One of ONNX's tests.

    Parameters
    ----------
    name : str
        Its name.
    operator : str
        The operator that it tests, also where the model is that operator's expansion.
    model : onnx.ModelProto
        The model.
    data : list
        (inputs, outputs) pairs of lists of arrays.
    judged : bool
        Whether it is about 32-bit floats.
    """

    name: str
    operator: str
    model: onnx.ModelProto
    data: list
    judged: bool


@dataclass(frozen=True)
class Verdict:
    """What came out: "pass", "host", "refused" or "wrong", and why if it did not pass."""

    outcome: str
    reason: str = ""


def load_cases():
    """Return ONNX's node tests as a list of `Case`, by name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tests = load_model_tests(kind="node")
    single = {test.name: test.model.graph.node[0].op_type for test in tests
              if len(test.model.graph.node) == 1}
    cases = []
    for test in sorted(tests, key=lambda test: test.name):
        base = re.sub(r"_expanded.*", "", test.name)
        operator = single.get(base) or single.get(test.name) or "other"
        cases.append(Case(test.name, operator, test.model, test.data_sets, _is_float(test.model)))
    return cases


def _is_float(model):
    """Return whether a model's first input holds 32-bit floats, and nothing other floats."""
    inputs, outputs = ([info.type.tensor_type.elem_type for info in infos]
                       for infos in (model.graph.input, model.graph.output))
    return inputs[:1] == [_FLOAT] and {*inputs, *outputs} <= {_FLOAT, *_WHOLE}


def judge(case, device="functional", target="virtex6-lx240t"):
    """Run one case and compare.

    Parameters
    ----------
    case : Case
        The case.
    device, target : str
        See `NeuFlowBackend.prepare`.

    Returns
    -------
    Verdict
        "wrong" too if an output has another type or shape than ONNX's.
    """
    prepared = NeuFlowBackend.prepare(case.model, device, target=target)
    for inputs, wanted in case.data:
        try:
            found = prepared.run(inputs)
        except (CompileError, InputError) as error:
            return Verdict("refused", str(error))
        for name, one, other in zip(found._fields, found, wanted, strict=True):
            fault = _difference(one, np.asarray(other))
            if fault:
                return Verdict("wrong", f"output {name!r} {fault}")
    host = prepared.program.manifest.get("host", [])
    return Verdict("host", ", ".join(host)) if host else Verdict("pass")


def _difference(found, wanted):
    """Return how an output differs too much, or None."""
    if found.shape != wanted.shape or found.dtype != wanted.dtype:
        return (f"is {found.dtype} of shape {list(found.shape)}, not {wanted.dtype} of shape "
                f"{list(wanted.shape)}")
    if wanted.dtype != np.float32:
        differ = int(np.count_nonzero(found != wanted))
        return f"differs in {differ} of {wanted.size} integers" if differ else None
    error = float(np.abs(found.astype(np.float64) - wanted).max())
    span = float(max(np.ptp(wanted), np.abs(wanted).max()))
    if not error <= TOLERANCE * span:
        return f"is off by {error:.3g}, its range is {span:.3g}"
    return None


def _short(reason):
    """Return what several refusals have in common: the fault without names, or what is right."""
    if reason.startswith("output"):
        return reason
    lines = reason.split("\n  ")
    kinds = sorted({match[1] for line in lines if (match := re.search(r"\((\w+)\): this ", line))})
    if kinds:
        return f"operator {', '.join(kinds)}"
    text = re.sub(r"^.*?\(\w+\): |^model: ", "", lines[-1])
    text = re.sub(r"^\w+: ", "", re.sub(r"(input|output|tensor) '[^']*'(: )?", r"\1 ", text))
    return re.sub(r" +", " ", text.split("; ")[0]).replace("|", "/")


def _row(operator, cases, verdicts):
    """Return the cells of an operator."""
    cells = [operator]
    for expanded in (False, True):
        chosen = [verdicts[case.name].outcome for case in cases
                  if ("_expanded" in case.name) is expanded]
        count = Counter(chosen)
        cells += [f"{count['pass']} of {len(chosen)}" if chosen else ""]
        if not expanded:
            cells += [count["host"] or "", count["refused"] or ""]
    reasons = Counter(_short(verdicts[case.name].reason) for case in cases
                      if verdicts[case.name].outcome != "pass" and "_expanded" not in case.name)
    cells.append("; ".join(f"{reason} ({count})" for reason, count in sorted(reasons.items())))
    return cells


_HEAD = """# Operators

What ONNX's own backend node tests (of onnx {version}, operator set {opset}) say of the compiler.
Generated by `python -m host.operators`, which compiles every test for `virtex6-lx240t` and runs the
program on the functional machine. A test passes when every output lies within {share} of its range
of ONNX's, and integers are equal. Only tests of 32-bit floats count.

Refused means an error when the model is compiled; nothing is computed wrong. The host runs nothing:
a program holds the whole network. *Expansion*: ONNX's definition of an operator in terms of others,
tested too. A test gives weights, shapes and axes as inputs; `host/onnx_backend.py` makes them
constants. Tests whose batch is N run with N samples as one tensor.

"""


def operators_page(cases, verdicts):
    """Return the page in Markdown.

    Parameters
    ----------
    cases : list of Case
        All tests.
    verdicts : dict of str to Verdict
        Of the cases of `LISTED` operators that count, by name.
    """
    head = _HEAD.format(version=onnx.__version__, opset=onnx.defs.onnx_opset_version(),
                        share=f"2^{int(np.log2(TOLERANCE))}")
    rows = [["operator", "pass", "host", "refused", "expansion passes", "why refused"],
            ["---", "---", "---:", "---:", "---", "---"]]
    known = [case for case in cases if case.name in verdicts]
    names = [operator for operator in LISTED if any(case.operator == operator for case in known)]
    rows += [_row(operator, [case for case in known if case.operator == operator], verdicts)
             for operator in names]
    plain = [case for case in known if "_expanded" not in case.name]
    passed = sum(verdicts[case.name].outcome == "pass" for case in plain)
    rows.append(["**all**", f"{passed} of {len(plain)}", "",
                 sum(verdicts[case.name].outcome == "refused" for case in plain), "", ""])
    table = "\n".join("| " + " | ".join(map(str, row)) + " |" for row in rows)
    untested = [operator for operator in LISTED if operator not in names]
    others = sorted({case.operator for case in cases if case.judged}
                    - {*LISTED, "other"})
    return (f"{head}{table}\n\nSupported, with no such test of ONNX's: {', '.join(untested)}.\n\n"
            f"Not supported: {', '.join(others)}.\n")


def select(cases):
    """Return the cases that count on the page."""
    return [case for case in cases if case.judged and case.operator in LISTED]


def run(cases):
    """Return the verdicts of cases by name; show progress on stderr."""
    verdicts = {}
    with ProgressDisplay() as progress:
        for index, case in enumerate(cases):
            progress(f"Running ONNX's tests: {case.name}", index, len(cases), "tests")
            verdicts[case.name] = judge(case)
    return verdicts


def main(check=False):
    """Run the tests; write the page, or with ``check`` compare it.

    Returns
    -------
    int
        0, or 1 if an output is wrong or the page is not up to date.
    """
    cases = load_cases()
    verdicts = run(select(cases))
    wrong = [name for name, verdict in verdicts.items() if verdict.outcome == "wrong"]
    for name in wrong:
        print(f"{name}: {verdicts[name].reason}", file=sys.stderr)
    page = operators_page(cases, verdicts)
    if not check:
        PAGE.write_text(page)
    elif PAGE.read_text() != page:
        print(f"{PAGE} is not up to date; write it with: python -m host.operators",
              file=sys.stderr)
        return 1
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv[1:]))
