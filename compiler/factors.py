"""Integer factors and shifts that stand for the real factor of a sum."""

import math

__all__ = ["factor_exponents", "factor_of"]

#: Largest factor of an operator, and right shift of its requantisation.
_MOST, _MOST_SHIFT = 32767, 31

#: Bits that a factor which is no power of two has at least, for a relative error of 2**-15.
_PRECISION = 14


def factor_of(real):
    """Return (factor, shift) such that factor * 2**-shift is nearest ``real``.

    The largest shift for which the factor fits; 1 and a shift, or a factor and no shift, for a
    power of two. See docs/arithmetic.md, "Reductions".
    """
    mantissa, exponent = math.frexp(real)
    if mantissa == 0.5:
        return (1 << exponent - 1, 0) if exponent > 0 else (1, 1 - exponent)
    for shift in range(_MOST_SHIFT, -1, -1):
        factor = math.floor(math.ldexp(real, shift) + 0.5)
        if factor <= _MOST:
            return factor, shift
    raise ValueError(f"no factor of 16 bits is as large as {real}")


def factor_exponents(scale):
    """Return the most and the least bits that a sum times ``scale`` may have more than its input.

    Within them `factor_of` finds a factor of ``scale * 2**bits`` that is precise.
    """
    mantissa, exponent = math.frexp(scale)
    least = -_MOST_SHIFT if mantissa == 0.5 else _PRECISION - _MOST_SHIFT
    # scale is at least 2**(exponent - 1), and less than 2**exponent.
    return _PRECISION - exponent, least - (exponent - 1)
