"""Functions of one sample, as real numbers have them; `compiler.tables` makes them integers."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

__all__ = ["FUNCTIONS", "Function", "get_function"]

_EVERYWHERE = (-math.inf, math.inf)


def _nowhere(*parameters):
    return ()


def _everywhere(*parameters):
    return _EVERYWHERE


@dataclass(frozen=True)
class Function:
    """A function that a table can hold.

    Parameters
    ----------
    name : str
        Its name.
    evaluate : callable
        Maps a float64 array to a float64 array; called as ``evaluate(x, *parameters)``.
    parameters : tuple of float
        Numbers that fix one function of a family.
    positive : bool
        Defined for positive inputs only: smaller ones are taken as the smallest positive input,
        and segments follow the leading one.
    zero : bool
        A positive function that is defined for 0, too.
    whole : bool
        Its output holds whole numbers: its point stands at the end.
    keeps : bool
        Its output keeps the binary point of its input, which makes it exact.
    corners : callable
        Maps the parameters to the inputs where the function bends or jumps: a segment of the table
        must not reach across.
    useful : callable
        Maps the parameters to the range outside which inputs change no 16-bit output.
    unrounded : callable, optional
        What is rounded to the whole numbers that `evaluate` gives.
    """

    name: str
    evaluate: Callable
    parameters: tuple[float, ...] = ()
    positive: bool = False
    zero: bool = False
    whole: bool = False
    keeps: bool = False
    corners: Callable = _nowhere
    useful: Callable = _everywhere
    unrounded: Callable | None = None

    def __call__(self, values):
        """Return the function of an array of real values."""
        return self.evaluate(np.asarray(values, np.float64), *self.parameters)

    def exact(self, values):
        """Return the function of an array of real values, before it is rounded."""
        return (self.unrounded or self.evaluate)(np.asarray(values, np.float64), *self.parameters)

    def __str__(self):
        numbers = ", ".join(f"{value:g}" for value in self.parameters)
        return f"{self.name}({numbers})" if numbers else self.name


def _sigmoid(x):
    # tanh does not overflow for large negative x, as exp would.
    return 0.5 * (1 + np.tanh(0.5 * x))


def _leaky_relu(x, slope):
    return np.where(x < 0, slope * x, x)


def _exp(x):
    return np.exp(np.minimum(x, 700))


def _elu(x, alpha):
    return np.where(x < 0, alpha * np.expm1(np.minimum(x, 0)), x)


def _celu(x, alpha):
    return np.maximum(x, 0) + np.minimum(alpha * np.expm1(np.minimum(x / alpha, 0)), 0)


def _softplus(x):
    return np.logaddexp(x, 0)


def _gelu(x):
    return 0.5 * x * (1 + special.erf(x / math.sqrt(2)))


def _gelu_tanh(x):
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def _power(x, exponent):
    # Beyond the limit every output saturates; numbers of float64 would overflow.
    limit = 2.0 ** (1000 / max(exponent, 1))
    return np.power(np.clip(x, -limit, limit), exponent)


def _at_zero(*parameters):
    return (0.0,)


#: Functions by name, as parameterless members of their family.
FUNCTIONS = {function.name: function for function in (
    Function("identity", lambda x: x, keeps=True),
    Function("relu", lambda x: np.maximum(x, 0), keeps=True, useful=lambda: (0.0, math.inf)),
    Function("leaky_relu", _leaky_relu, keeps=True),
    Function("abs", np.abs, keeps=True),
    Function("clip", np.clip, keeps=True, useful=lambda low, high: (low, high)),
    Function("linear", lambda x, scale, offset: scale * x + offset),
    Function("thresholded_relu", lambda x, alpha: np.where(x > alpha, x, 0.0), keeps=True,
             corners=lambda alpha: (alpha,)),
    Function("shrink", lambda x, bias, limit: np.where(x > limit, x - bias, 0.0), keeps=True,
             corners=lambda bias, limit: (limit,)),
    Function("tanh", np.tanh, useful=lambda: (-8.0, 8.0)),
    Function("sigmoid", _sigmoid, useful=lambda: (-16.0, 16.0)),
    Function("elu", _elu, corners=_at_zero),
    Function("selu", lambda x, alpha, gamma: gamma * _elu(x, alpha), corners=_at_zero),
    Function("celu", _celu, corners=_at_zero),
    Function("softplus", _softplus),
    Function("softsign", lambda x: x / (1 + np.abs(x)), corners=_at_zero),
    Function("gelu", _gelu),
    Function("gelu_tanh", _gelu_tanh),
    Function("mish", lambda x: x * np.tanh(_softplus(x))),
    Function("swish", lambda x, alpha: x * _sigmoid(alpha * x)),
    Function("erf", special.erf, useful=lambda: (-4.0, 4.0)),
    Function("exp", _exp),
    Function("sin", np.sin),
    Function("cos", np.cos),
    Function("atan", np.arctan),
    Function("sinh", lambda x: np.sinh(np.clip(x, -700, 700))),
    Function("cosh", lambda x: np.cosh(np.clip(x, -700, 700))),
    Function("asinh", np.arcsinh),
    Function("power", _power),
    Function("root", _power, positive=True, zero=True),
    Function("count_down", lambda x, last: last - x, whole=True),
    Function("steps", lambda x, scale, low, high: np.clip(np.floor(x * scale + 0.5), low, high),
             whole=True, useful=lambda scale, low, high: (low / scale, high / scale),
             unrounded=lambda x, scale, low, high: np.clip(x * scale, low, high)),
    Function("sqrt", np.sqrt, positive=True, zero=True),
    Function("reciprocal", lambda x: 1 / x, positive=True),
    Function("log", np.log, positive=True),
    # For powers of 0: so far below that what it is an exponent for vanishes.
    Function("log_from_0", lambda x: np.log(np.maximum(x, 2.0**-20)), positive=True, zero=True),
)}


def get_function(name, parameters=()):
    """Return the function called ``name`` with its parameters.

    Raises
    ------
    ValueError
        If there is none.
    """
    if name not in FUNCTIONS:
        raise ValueError(f"unknown function {name!r}; functions are {', '.join(FUNCTIONS)}")
    return replace(FUNCTIONS[name], parameters=tuple(parameters))
