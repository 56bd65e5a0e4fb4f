"""Functions of one sample as the mapper's tables: quadratic segments in integers.

`docs/arithmetic.md`, "Mapper", gives the steps that a table goes through. Functions made of
straight lines become exact tables; for the others each segment is a near-minimax quadratic whose
coefficients are rounded one after the other, each making good what the rounding before it cost.
"""

import math
from functools import lru_cache

import numpy as np

from .errors import QuantisationError
from .fixed import LookupTable
from .functions import get_function

__all__ = ["SEGMENTS", "evaluate", "ideal", "make_table", "table_error"]

#: Segments of a mapper's table, the same on every target so far.
SEGMENTS = 256

LOWEST, HIGHEST = -32768, 32767

#: Segments by the leading one: 16 for the inputs 0 to 15, then 16 for each of 12 octaves.
LOGARITHMIC_SEGMENTS = 208

_INPUTS = np.arange(LOWEST, HIGHEST + 1)


def evaluate(table, samples):
    """Return what the mapper makes of an array of samples.

    The compiler checks its tables with this; the simulators have their own.
    """
    samples = np.asarray(samples, np.int64)
    u = np.clip(samples, table.low, table.high) - table.origin
    if table.logarithmic:
        exponent = np.maximum(np.frexp(np.maximum(u, 1).astype(np.float64))[1] - 1, 4)
        index = np.where(u < 16, u, (exponent - 3) * 16 + ((u >> (exponent - 4)) & 15))
        d = np.where(u < 16, 0, u & ((1 << (exponent - 4)) - 1))
    else:
        index = np.minimum(u >> table.segment_shift, len(table.c) - 1)
        d = u - (index << table.segment_shift)
    a, b, c = (np.asarray(values, np.int64)[index] for values in (table.a, table.b, table.c))
    t = b + (a * d >> table.square_shift)
    half = 1 << (table.shift - 1) if table.shift else 0
    return np.clip((c + t * d + half) >> table.shift, LOWEST, HIGHEST)


def ideal(function, input_fraction, output_fraction, samples=_INPUTS):
    """Return the correctly rounded outputs for samples: half up, then saturated."""
    exact = _scaled(function, input_fraction, output_fraction, samples)
    return np.clip(np.floor(exact + 0.5), LOWEST, HIGHEST).astype(np.int64)


def _scaled(function, input_fraction, output_fraction, samples):
    samples = np.asarray(samples)
    if function.positive:
        samples = np.maximum(samples, 0 if function.zero else 1)
    values = np.ldexp(samples.astype(np.float64), -input_fraction)
    return function.exact(values) * 2.0**output_fraction


@lru_cache(maxsize=64)
def table_error(table, function, input_fraction, output_fraction):
    """Return the largest distance to the correctly rounded function over all 65,536 inputs."""
    wanted = ideal(function, input_fraction, output_fraction)
    return int(np.abs(evaluate(table, _INPUTS) - wanted).max())


@lru_cache(maxsize=64)
def make_table(function, input_fraction, output_fraction, segments=SEGMENTS):
    """Return the table of a function between two formats.

    Exact for identity, ReLU, abs and (between equal fractions) clip; leaky ReLU is exact for the
    slope rounded to 14 bits behind the point. Range, width of segments and shifts are chosen here.

    Parameters
    ----------
    function : Function or str
        The function, or the name of one without parameters.
    input_fraction, output_fraction : int
        Bits behind the point of inputs and outputs.
    segments : int
        Segments the mapper has.

    Returns
    -------
    LookupTable
        A table that `table_error` measures.

    Raises
    ------
    QuantisationError
        If no table for these formats fits the mapper's registers.
    """
    if isinstance(function, str):
        function = get_function(function)
    if function.name in _LINES:
        table = _LINES[function.name](function, output_fraction - input_fraction, input_fraction)
        if table is not None:
            return table
    samples, wanted = _INPUTS, ideal(function, input_fraction, output_fraction)
    changes = np.flatnonzero(np.diff(wanted))
    if len(changes) == 0:
        return LookupTable(low=0, high=0, origin=0, logarithmic=False, segment_shift=0,
                           square_shift=0, shift=0, a=(0,), b=(0,), c=(int(wanted[0]),))
    # Outputs change no more beyond the clamps. These stand a little further out, where the exact
    # function is well clear of the next rounding: their output is that of many inputs. Not so for
    # sqrt, reciprocal and log, which have no flat ends and are steep where they begin.
    low, high = int(samples[changes[0]]), int(samples[changes[-1] + 1])
    margin = 0 if function.positive else (high - low) >> 5
    low, high = max(low - margin, LOWEST), min(high + margin, HIGHEST)
    if function.positive and segments < LOGARITHMIC_SEGMENTS:
        raise QuantisationError(f"{function}: needs {LOGARITHMIC_SEGMENTS} segments, the mapper "
                                f"has {segments}")
    layouts = [_Layout(low, high, function.positive, segments)]
    layouts += [_Layout(low, high, False, segments, anchor)
                for anchor in _anchors(function, input_fraction)]
    best = None
    for layout in layouts:
        exact = _scaled(function, input_fraction, output_fraction,
                        np.arange(layout.low, high + 1))
        largest = layout.largest_shift(exact)
        for shift in range(largest, max(largest - 5, -1), -1):
            table = layout.fit(exact, shift)
            if table is None:
                continue
            error = np.abs(evaluate(table, samples) - wanted)
            score = (error.max(), error.sum())
            if best is None or score < best[0]:
                best = (score, table)
    if best is None:
        raise QuantisationError(
            f"{function}: no table from {input_fraction} to {output_fraction} bits behind the "
            "point fits the mapper; use fewer bits for the output")
    return best[1]


def _anchors(function, input_fraction):
    """Return the first sample behind each place where a function bends or jumps."""
    anchors = []
    for corner in function.corners(*function.parameters):
        place = int(np.ceil(np.ldexp(corner, input_fraction)))
        # A jump's own sample may belong to what is before it.
        before, here, after = function(corner + np.array([-1e-6, 0, 1e-6]))
        if np.ldexp(corner, input_fraction) == place and abs(here - before) < abs(after - here):
            place += 1
        if LOWEST < place <= HIGHEST:
            anchors.append(place)
    return anchors


def _line_table(first, second, offset, shift, low=LOWEST, high=HIGHEST):
    """Return the table of slopes ``first`` below and ``second`` above zero, over ``2**shift``."""
    return LookupTable(
        low=low, high=high, origin=LOWEST, logarithmic=False, segment_shift=15, square_shift=0,
        shift=shift, a=(0, 0), b=(first, second), c=(LOWEST * first + offset, offset))


def _gain(up):
    """Return ``2**up`` as a slope and a right shift, or None if a slope has too few bits."""
    if up > 14 or up < -31:
        return None
    return (1 << up, 0) if up >= 0 else (1, -up)


def _identity(function, up, fraction):
    gain = _gain(up)
    return gain and _line_table(gain[0], gain[0], 0, gain[1])


def _relu(function, up, fraction):
    gain = _gain(up)
    return gain and _line_table(0, gain[0], 0, gain[1])


def _abs(function, up, fraction):
    gain = _gain(up)
    return gain and _line_table(-gain[0], gain[0], 0, gain[1])


def _leaky_relu_lines(function, up, fraction):
    slope, = function.parameters
    shift = 14 - max(up, 0)
    first, second = round(slope * 2.0**(shift + up)), 2.0**(shift + up)
    if not (0 <= shift and second >= 1 and abs(first) <= HIGHEST):
        return None
    return _line_table(first, int(second), 0, shift)


def _clip(function, up, fraction):
    bounds = np.floor(np.ldexp(np.asarray(function.parameters), fraction) + 0.5)
    low, high = np.clip(bounds, LOWEST, HIGHEST).astype(int)
    return _line_table(1, 1, 0, 0, int(low), int(high)) if up == 0 else None


def _count_down(function, up, fraction):
    last, = function.parameters
    return _line_table(-1, -1, int(last), 0) if up == fraction == 0 else None


def _steps(function, up, fraction):
    scale, low, high = function.parameters
    step = scale * 2.0**-fraction
    shift = int(min(math.floor(math.log2(HIGHEST / step)), 24))
    # Between the outermost samples that round to the ends: there must be some.
    ends = np.trunc(np.array([low, high]) / step).astype(np.int64)
    if step >= 0.5 or shift < 0 or up != -fraction:
        return None
    slope = round(step * 2.0**shift)
    low, high = np.clip(ends, LOWEST, HIGHEST).tolist()
    return _line_table(slope, slope, 0, shift, low, high)


#: Functions that are straight lines: exact tables, or None where the formats are too far apart.
_LINES = {"abs": _abs, "clip": _clip, "count_down": _count_down, "identity": _identity,
          "leaky_relu": _leaky_relu_lines, "relu": _relu, "steps": _steps}


class _Layout:
    """Where the segments of a table lie, and the fit of a function to them."""

    def __init__(self, low, high, logarithmic, segments, anchor=None):
        self.low, self.high, self.logarithmic = low, high, logarithmic
        self.origin, self.width = (0, 0) if logarithmic else (low, 0)
        if logarithmic:
            self.starts = list(range(16)) + [
                mantissa << (exponent - 4) for exponent in range(4, 16)
                for mantissa in range(16, 32)]
        else:
            while (high - self.origin) >> self.width >= segments:
                self.width += 1
                if anchor is not None:
                    self._begin(low, anchor)
            self.starts = list(range(0, high - self.origin + 1, 1 << self.width))
        self.quadratics = None

    def _begin(self, low, anchor):
        """Put the origin where a segment will begin at the anchor.

        Where this is below the lowest sample, the few lowest ones are clamped instead.
        """
        self.low, self.origin = low, low - (low - anchor) % (1 << self.width)
        if self.origin < LOWEST:
            self.origin += 1 << self.width
            self.low = self.origin

    def pieces(self, exact):
        """Yield the exact outputs of each segment, None for one that no input reaches."""
        ends = [*self.starts[1:], 1 << 16]
        for start, end in zip(self.starts, ends, strict=True):
            first = max(self.origin + start, self.low)
            last = min(self.origin + end, self.high + 1)
            # A segment that begins below `low` is never entered below it; d counts from its start.
            yield (first - self.origin - start, exact[first - self.low:last - self.low]) \
                if first < last else None

    def largest_shift(self, exact):
        """Fit real quadratics once; return the largest right shift their coefficients allow."""
        self.quadratics = []
        for piece in self.pieces(exact):
            if piece is None:
                self.quadratics.append((0.0, 0.0, 0.0))
                continue
            start, values = piece
            d = start + np.arange(len(values), dtype=np.float64)
            self.quadratics.append(_near_minimax(d, values))
        _, slope, value = np.abs(np.array(self.quadratics)).max(axis=0)
        room = min(np.log2(HIGHEST / max(slope, 1e-9)), np.log2((2**31 - 2) / max(value, 1e-9)))
        return int(min(max(np.floor(room), 0), 24))

    def fit(self, exact, shift):
        """Return the table with a right shift of ``shift``, or None if it has no room."""
        square = max(abs(a) for a, _, _ in self.quadratics) * 2.0**shift
        room = 31 if square < 2e-5 else int(np.floor(np.log2(HIGHEST / square)))
        if room < 0:
            return None
        square_shift = min(room, 31)
        rows = []
        for piece, quadratic in zip(self.pieces(exact), self.quadratics, strict=True):
            if piece is None:
                rows.append((0, 0, 0))
                continue
            row = _round_segment(*piece, quadratic, shift, square_shift)
            if row is None:
                return None
            rows.append(row)
        a, b, c = zip(*rows, strict=True)
        return LookupTable(
            low=self.low, high=self.high, origin=self.origin, logarithmic=self.logarithmic,
            segment_shift=self.width, square_shift=square_shift, shift=shift, a=a, b=b, c=c)


def _near_minimax(d, values):
    """Return the quadratic through the values, least squares weighted towards the ends."""
    if len(d) == 1:
        return (0.0, 0.0, float(values[0]))
    degree = min(2, len(d) - 1)
    centre, radius = (d[0] + d[-1]) / 2, (d[-1] - d[0]) / 2
    z = (d - centre) / radius
    # Chebyshev's weight makes least squares nearly minimax; the offset keeps the ends finite.
    weight = (1 - z * z + 1 / len(d)) ** -0.25
    powers = np.vander(z, degree + 1) * weight[:, None]
    fitted = np.linalg.lstsq(powers, values * weight, rcond=None)[0]
    p, q, r = np.concatenate([np.zeros(2 - degree), fitted])
    return (p / radius**2, q / radius - 2 * p * centre / radius**2,
            r - q * centre / radius + p * (centre / radius) ** 2)


def _round_segment(start, values, quadratic, shift, square_shift):
    """Round a, then fit and round b, then c, each to what the ones before left; None if too large.

    The products are those of the mapper, so that its floor is part of the fit.
    """
    d = start + np.arange(len(values))
    scaled = values * 2.0**shift
    a = round(quadratic[0] * 2.0 ** (shift + square_shift))
    bent = (a * d) >> square_shift
    rest = scaled - bent * d
    b = 0
    if len(d) > 1:
        b = round(float(np.polyfit(d - d.mean(), rest, 1)[0]))
    rest = rest - b * d
    c = int(np.floor((rest.max() + rest.min()) / 2 + 0.5))
    fits = abs(a) <= HIGHEST and abs(b) <= HIGHEST and abs(c) < 2**31 \
        and np.abs(b + bent).max() < 2**23
    return (int(a), int(b), c) if fits else None
