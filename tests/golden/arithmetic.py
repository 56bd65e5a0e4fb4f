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


def divide(a, b, shift):
    """Exact quotient, before it saturates; a division by zero lies beyond every sample."""
    if b == 0:
        return (a > 0) * (HIGH + 1) + (a < 0) * (LOW - 1)
    # floor(a 2^shift / b + 1/2)
    return (2 * a * 2**shift + b) // (2 * b)


def operate(config, a, b):
    """Results of an operator before they saturate and are decimated; b is unused if constant."""
    name, shift, constant = config["operation"], config["shift"], config["constant"]
    if name.startswith("reduce_"):
        count = config["count"]
        groups = [a[k:k + count] for k in range(0, len(a) - count + 1, count)]
        if name == "reduce_sum":
            return [round_shift(sum(word * constant for word in group), shift) for group in groups]
        if name == "reduce_argmax":
            return [group.index(max(group)) for group in groups]
        return [(max if name == "reduce_max" else min)(group) for group in groups]

    if config["constant_enable"]:
        b = [constant] * len(a)
    return [combine(config, *pair) for pair in zip(a, b, strict=True)]


def combine(config, a, b):
    """Result of an operator that does not reduce, before it saturates."""
    name, shift = config["operation"], config["shift"]
    wide_a, wide_b = a << config["shift_a"], b << config["shift_b"]
    if name == "add":
        return round_shift(wide_a + wide_b, shift)
    if name == "sub":
        return round_shift(wide_a - wide_b, shift)
    if name == "max":
        return round_shift(max(wide_a, wide_b), shift)
    if name == "min":
        return round_shift(min(wide_a, wide_b), shift)
    if name == "mul":
        return round_shift(a * b, shift)
    assert name == "div"
    return divide(a, b, shift)


def decimate(results, width, height, step_x, step_y):
    """Keep what stands in kept columns of kept rows."""
    if width == 0:
        return results
    return [result for k, result in enumerate(results)
            if k % width % step_x == 0 and k // width % height % step_y == 0]
