"""Operators, mapper and FIFOs on whole streams: arrays (images, ...) of samples in order."""

from dataclasses import dataclass

import numpy as np

from hdl.registers import FIFO_MODES, OPERATIONS

from .arithmetic import HIGH, LOW, requantise, saturate
from .errors import FunctionalError

__all__ = ["Endless", "fifo", "mapper", "operate"]


@dataclass(frozen=True)
class Endless:
    """A stream that plays its samples for ever."""

    samples: np.ndarray


def _flat(samples):
    """Return a stream as (images, samples)."""
    return samples.reshape(len(samples), -1)


def _second(registers, count, b):
    """Return operand b for ``count`` samples of a."""
    if registers["constant_enable"]:
        return np.int64(registers["constant"])
    if isinstance(b, Endless):
        return b.samples[:, np.arange(count) % b.samples.shape[1]].astype(np.int64)
    come = 0 if b is None else b[0].size
    if come != count:
        raise FunctionalError(f"operator waits: {count} samples of a, {come} of b")
    return _flat(b).astype(np.int64)


def _divide(a, b, shift):
    a, b = np.broadcast_arrays(a, b)
    safe = np.where(b == 0, 1, b)
    # floor(n / d + 1/2) = floor((2 n + d) / (2 d))
    quotient = (2 * (a << shift) + safe) // (2 * safe)
    by_zero = np.where(a > 0, HIGH, np.where(a < 0, LOW, 0))
    return saturate(np.where(b == 0, by_zero, quotient))


def _elementwise(name, registers, a, b):
    shift = registers["shift"]
    if name == "mul":
        return requantise(a * b, shift)
    if name == "div":
        return _divide(a, b, shift)
    a, b = a << registers["shift_a"], b << registers["shift_b"]
    result = {"add": np.add, "sub": np.subtract, "max": np.maximum, "min": np.minimum}[name](a, b)
    return requantise(result, shift)


def _reduce(name, registers, a):
    count = registers["count"]
    if count < 1 or a.shape[1] % count:
        raise FunctionalError(f"operator reduces {count} samples at a time, {a.shape[1]} come")
    groups = a.reshape(len(a), -1, count)
    if name == "reduce_sum":
        return requantise(groups.sum(axis=2, dtype=np.int64) * registers["constant"],
                          registers["shift"])
    if name == "reduce_argmax":
        return saturate(groups.argmax(axis=2))
    return (groups.max(axis=2) if name == "reduce_max" else groups.min(axis=2)).astype(np.int16)


def _decimate(registers, samples):
    width, height = registers["width"], registers["height"]
    if not width:
        return samples
    if not (height and registers["step_x"] and registers["step_y"]):
        raise FunctionalError("decimator has a width but height or step 0")
    index = np.arange(samples.shape[1])
    column, row = index % width, index // width % height
    return samples[:, (column % registers["step_x"] == 0) & (row % registers["step_y"] == 0)]


def operate(registers, a, b):
    """Return what an operator makes of its streams; ``b`` None is no stream."""
    name = OPERATIONS[registers["operation"]]
    a = _flat(a)
    if name.startswith("reduce"):
        result = _reduce(name, registers, a)
    else:
        result = _elementwise(name, registers, a.astype(np.int64),
                              _second(registers, a.shape[1], b))
    return _decimate(registers, result)


def _segments(registers, u, count):
    """Return segment and distance from its start for each input."""
    if not registers["logarithmic"]:
        index = np.minimum(u >> registers["segment_shift"], count - 1)
        return index, u - (index << registers["segment_shift"])
    exponent = np.frexp(np.maximum(u, 1).astype(np.float64))[1] - 1
    fine = np.maximum(exponent - 4, 0)
    small = u < 16
    index = np.where(small, u, (exponent - 3) * 16 + (u >> fine & 15))
    return index, np.where(small, 0, u & ((1 << fine) - 1))


def mapper(registers, table, samples):
    """Return f(x) of each sample.

    Parameters
    ----------
    registers : dict
        Of the mapper.
    table : tuple of array
        Words of the table, and which of them were written for this step.
    samples : array of int16
        The stream of each image.
    """
    words, known = table
    x = np.clip(_flat(samples).astype(np.int64), registers["low"], registers["high"])
    u = x - registers["origin"]
    if u.size and (u.min() < 0 or u.max() > 65535):
        raise FunctionalError("mapper input lies before the origin or too far behind it")
    index, d = _segments(registers, u, len(words) // 2)
    if u.size and not (known[2 * index].all() and known[2 * index + 1].all()):
        raise FunctionalError("mapper uses a segment that was not written for this step")
    a, b = _low_half(words[2 * index]), words[2 * index] >> 16
    b = np.where(b > 32767, b - 65536, b)
    c = words[2 * index + 1]
    c = np.where(c >> 31 == 1, c - (1 << 32), c)
    t = b + (a * d >> registers["square_shift"])
    if u.size and (t.min() < -(1 << 23) or t.max() >= 1 << 23):
        raise FunctionalError("mapper slope leaves its 24 bits")
    return requantise(c + t * d, registers["shift"])


def _low_half(words):
    low = words & 0xFFFF
    return np.where(low > 32767, low - 65536, low)


def fifo(registers, index, samples):
    """Return what FIFO ``index`` of a bank makes of a stream."""
    mode = FIFO_MODES[registers[f"mode{index}"]]
    length, count = registers[f"last{index}"] + 1, registers[f"count{index}"]
    if mode == "off":
        raise FunctionalError(f"FIFO {index} is off but samples come")
    if mode == "buffer":
        return samples
    if mode == "delay":
        return np.pad(_flat(samples), ((0, 0), (count, 0)))
    samples = _flat(samples)
    if samples.shape[1] != length:
        raise FunctionalError(f"FIFO {index} loops over {length} samples, {samples.shape[1]} come")
    return np.tile(samples, count) if count else Endless(samples)
