"""Every number the hardware computes, straight from docs/arithmetic.md, on Python integers."""

LOW, HIGH = -32768, 32767


def saturate(value):
    return min(max(value, LOW), HIGH)


def round_shift(value, shift):
    """Requantise before it saturates."""
    half = 1 << (shift - 1) if shift else 0
    return (value + half) // (1 << shift)


def requantise(value, shift):
    return saturate(round_shift(value, shift))


def mapper(x, config, table):
    """One sample through a mapper; ``table`` holds (a, b, c), ``config`` the registers."""
    u = min(max(x, config["low"]), config["high"]) - config["origin"]
    assert 0 <= u < 65536
    if config["logarithmic"]:
        if u < 16:
            i, d = u, 0
        else:
            e = u.bit_length() - 1
            i = (e - 3) * 16 + ((u >> (e - 4)) & 15)
            d = u & ((1 << (e - 4)) - 1)
    else:
        k = config["segment_shift"]
        i = min(u >> k, len(table) - 1)
        d = u - (i << k)
    a, b, c = table[i]
    t = b + ((a * d) >> config["square_shift"])
    assert -(1 << 23) <= t < 1 << 23
    return round_shift(c + t * d, config["shift"])
