"""Mapper tables: each against the function that it stands for, at every sample; and in the image.

The functions are written here once more, by other formulas than the compiler's.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from compiler.fixed import Lookup
from sim import reference

__all__ = ["FUNCTIONS", "TableProof", "prove_table", "prove_tables", "table_claims",
           "table_faults"]

LOWEST, HIGHEST = -32768, 32767

_INPUTS = np.arange(LOWEST, HIGHEST + 1)

#: How near to a tie, in steps of the output, real numbers may be rounded either way.
_TIE = 1e-7


def _selu(x, alpha, gamma):
    return gamma * np.where(x < 0, alpha * np.expm1(np.minimum(x, 0)), x)


def _power(x, exponent):
    return np.where(x > 0, np.exp(exponent * np.log(np.where(x > 0, x, 1))), 0)


def _gelu_tanh(x):
    # (1 + tanh(z)) / 2 is the logistic function of 2 z.
    return x * special.expit(np.sqrt(8 / np.pi) * (x + 0.044715 * x * x * x))


def _mish(x):
    # tanh(log(1 + e^x)) as a quotient of sums of e^-|x|, which never is large.
    e = np.exp(-np.abs(x))
    return x * np.where(x < 0, e * (e + 2) / (e * (e + 2) + 2), (1 + 2 * e) / (1 + 2 * e * (1 + e)))


#: Functions by name, of real samples and their parameters.
FUNCTIONS = {
    "identity": lambda x: x,
    "relu": lambda x: np.where(x > 0, x, 0),
    "leaky_relu": lambda x, slope: np.where(x > 0, x, slope * x),
    "abs": lambda x: np.where(x < 0, -x, x),
    "clip": lambda x, low, high: np.minimum(np.maximum(x, low), high),
    "linear": lambda x, scale, offset: offset + x * scale,
    "thresholded_relu": lambda x, alpha: x * (x > alpha),
    "shrink": lambda x, bias, limit: (x - bias) * (x > limit),
    "tanh": lambda x: 2 * special.expit(2 * x) - 1,
    "sigmoid": special.expit,
    "elu": lambda x, alpha: _selu(x, alpha, 1),
    "selu": _selu,
    "celu": lambda x, alpha: np.maximum(x, 0) + alpha * special.expm1(np.minimum(x, 0) / alpha),
    "softplus": lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))),
    "softsign": lambda x: np.sign(x) * (1 - 1 / (1 + np.abs(x))),
    "gelu": lambda x: x * special.ndtr(x),
    "gelu_tanh": _gelu_tanh,
    "mish": _mish,
    "swish": lambda x, alpha: x * special.expit(alpha * x),
    "erf": lambda x: np.sign(x) * (1 - special.erfc(np.abs(x))),
    "exp": lambda x: np.exp2(x * np.log2(np.e)),
    "sin": lambda x: np.imag(np.exp(1j * x)),
    "cos": lambda x: np.real(np.exp(1j * x)),
    "atan": lambda x: np.angle(1 + 1j * x),
    "sinh": lambda x: (np.exp(x) - np.exp(-x)) / 2,
    "cosh": lambda x: (np.exp(x) + np.exp(-x)) / 2,
    "asinh": lambda x: np.sign(x) * np.log(np.abs(x) + np.hypot(x, 1)),
    "power": lambda x, exponent: np.sign(x) ** exponent * _power(np.abs(x), exponent),
    "root": lambda x, exponent: _power(x, exponent),
    "count_down": lambda x, last: last - x,
    "steps": lambda x, scale, low, high: np.minimum(np.maximum(scale * x, low), high),
    "sqrt": lambda x: x**0.5,
    "reciprocal": lambda x: x**-1.0,
    "log": lambda x: np.log2(x) * np.log(2),
    "log_from_0": lambda x: np.log(2) * np.where(x > 2.0**-20, np.log2(np.where(x > 0, x, 1)), -20),
}

#: Functions that take smaller samples as this one.
_LEAST = {"sqrt": 0, "root": 0, "reciprocal": 1, "log": 1, "log_from_0": 0}

#: Functions whose table is exact where both points are equal.
_EXACT = {"abs", "clip", "count_down", "identity", "relu"}


@dataclass(frozen=True)
class TableProof:
    """How far a table is from its function, over all 65,536 samples.

    Parameters
    ----------
    node, layer : str
        The lookup, and the user's layer.
    function : str
        The function with its parameters, for people.
    fractions : tuple of int
        Bits behind the point of its samples and of its results.
    error : int or None
        The largest distance to the correctly rounded function, in steps of the result; None if the
        function is not known.
    allowed : int
        What the rule allows without a claim: 0 where the table can be exact, else 1.
    """

    node: str
    layer: str
    function: str
    fractions: tuple[int, int]
    error: int | None
    allowed: int


def _correct(node, source, result):
    """Return the correctly rounded results: the lower and the higher one where a tie is near."""
    samples = np.maximum(_INPUTS, _LEAST.get(node.function, LOWEST)).astype(np.float64)
    with np.errstate(all="ignore"):
        real = np.ldexp(FUNCTIONS[node.function](np.ldexp(samples, -source), *node.parameters),
                        result)
    return (np.clip(np.floor(real + 0.5 + side), LOWEST, HIGHEST) for side in (-_TIE, _TIE))


def prove_table(node, graph):
    """Return the `TableProof` of a Lookup of a fixed-point graph."""
    fractions = tuple(graph.tensors[name].fraction for name in (node.inputs[0], node.output))
    numbers = ", ".join(f"{value:.6g}" for value in node.parameters)
    allowed = int(node.function not in _EXACT or fractions[0] != fractions[1])
    error = None
    if node.function in FUNCTIONS:
        found = np.clip(reference.execute(node, [_INPUTS.reshape(-1, 1, 1)], None),
                        LOWEST, HIGHEST).ravel()
        low, high = _correct(node, *fractions)
        error = int(np.minimum(np.abs(found - low), np.abs(found - high)).max())
    return TableProof(node.name, node.layer, node.function + (f"({numbers})" if numbers else ""),
                      fractions, error, allowed)


def prove_tables(graph):
    """Return a `TableProof` for each Lookup of a fixed-point graph, equal ones measured once."""
    known, proofs = {}, []
    for node in graph.nodes:
        if isinstance(node, Lookup):
            key = (node.function, node.parameters, node.table,
                   *(graph.tensors[name].fraction for name in (node.inputs[0], node.output)))
            if key not in known:
                known[key] = prove_table(node, graph)
            proofs.append(replace(known[key], node=node.name, layer=node.layer))
    return proofs


def table_claims(claims, proofs):
    """Yield what is wrong with tables of a graph.

    Parameters
    ----------
    claims : list of dict
        The certificates: each has a ``node``, and the ``error`` of its table in steps.
    proofs : list of TableProof
        What was found.
    """
    claimed = {claim["node"]: claim["error"] for claim in claims}
    for one in proofs:
        where = f"layer {one.layer}: its table of {one.function}"
        if one.error is None:
            yield f"{where} cannot be checked: the verifier does not know this function"
        elif one.error > max(one.allowed, claimed.get(one.node, 0)):
            yield (f"{where} is up to {one.error} steps of 2**-{one.fractions[1]} from the "
                   f"function, {max(one.allowed, claimed.get(one.node, 0))} are allowed")


def table_faults(where, active, circuit, nodes):
    """Yield what is wrong with the tables of a step's mappers.

    Parameters
    ----------
    where : str
        The step, for people.
    active : list of dict
        Its registers, by node.
    circuit : networkx.MultiDiGraph
        Its circuit.
    nodes : list of Lookup
        What its mappers may stand for; each must be found in one.
    """
    missing, faulty = list(nodes), False
    for tile, unit, *_ in sorted(circuit.nodes):
        if unit != "mapper":
            continue
        differences = {node: _difference(active[tile], node.table) for node in nodes}
        faulty |= all(differences.values())
        if not differences:
            yield f"{where}, tile {tile}: a mapper works for a layer without a function"
        elif all(differences.values()):
            node, (_, first) = min(differences.items(), key=lambda one: one[1][0])
            yield f"{where}, tile {tile}: {first}, as the {node.function} of {node.layer} needs it"
        missing = [node for node in missing if differences[node]]
    if not faulty:
        yield from (f"{where}: no mapper holds the {node.function} of layer {node.layer}"
                    for node in missing)


def _difference(units, table):
    """Return (how many differ, what differs first) between a mapper and a table, or None."""
    registers, (words, known) = units["mapper"], units["mapper_table"]
    wrong = [f"the mapper's {name} is {registers[name]}, not {int(wanted)}"
             for name, wanted in vars(table).items()
             if name in registers and registers[name] != wanted]
    wanted = np.empty(2 * len(table.a), np.int64)
    wanted[::2] = (np.array(table.b) & 0xFFFF) << 16 | np.array(table.a) & 0xFFFF
    wanted[1::2] = np.array(table.c) & 0xFFFFFFFF
    found = words[:len(wanted)] & 0xFFFFFFFF
    places = np.flatnonzero((found != wanted) | ~known[:len(wanted)])
    wrong += [f"word {int(place)} of the mapper's table is "
              + (f"{int(found[place]):#010x}" if known[place] else "not written")
              + f", not {int(wanted[place]):#010x}" for place in places[:1]]
    return (len(wrong) + len(places), wrong[0]) if wrong else None
