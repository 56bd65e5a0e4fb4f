import numpy as np
import pytest

from compiler.errors import QuantisationError
from compiler.fixed import LookupTable
from compiler.functions import FUNCTIONS, Function, get_function
from compiler.tables import (
    evaluate,
    ideal,
    make_table,
    table_error,
)

INPUTS = np.arange(-32768, 32768)

#: For every family of functions, the parameters of one of them.
PARAMETERS = {
    "celu": (1.5,), "clip": (-1.0, 2.0), "count_down": (9.0,), "elu": (0.7,), "leaky_relu": (0.1,),
    "linear": (-0.7, 1.2), "power": (3.0,), "root": (1.5,), "selu": (1.6733, 1.0507),
    "shrink": (0.3, 1.53), "steps": (20.0, -128.0, 127.0), "swish": (1.0,),
    "thresholded_relu": (0.8,)}

#: Formats the quantiser picks, beside the two that the goal names.
FORMATS = [(8, 8), (12, 12), (12, 14), (11, 14), (13, 14), (14, 14), (10, 14), (8, 14), (15, 15)]


def mapper(table, x):
    """docs/arithmetic.md, "Mapper", one sample at a time in Python integers."""
    u = min(max(x, table.low), table.high) - table.origin
    assert 0 <= u < 65536
    if not table.logarithmic:
        i = min(u >> table.segment_shift, len(table.c) - 1)
        d = u - i * 2**table.segment_shift
    elif u < 16:
        i, d = u, 0
    else:
        e = u.bit_length() - 1
        i, d = (e - 3) * 16 + ((u >> (e - 4)) & 15), u & (2 ** (e - 4) - 1)
    t = table.b[i] + table.a[i] * d // 2**table.square_shift
    assert -(2**23) <= t < 2**23
    half = 2 ** (table.shift - 1) if table.shift else 0
    return min(max((table.c[i] + t * d + half) // 2**table.shift, -32768), 32767)


def check_registers(table):
    assert -32768 <= table.origin <= table.low <= table.high <= 32767
    assert 0 <= table.segment_shift <= 15
    assert 0 <= table.square_shift <= 31 and 0 <= table.shift <= 31
    assert len(table.a) == len(table.b) == len(table.c) <= 256
    assert all(type(v) is int and -32768 <= v <= 32767 for v in (*table.a, *table.b))
    assert all(type(v) is int and -(2**31) <= v < 2**31 for v in table.c)


@pytest.mark.parametrize("formats", FORMATS)
@pytest.mark.parametrize("name", ["tanh", "sigmoid"])
def test_within_one_of_the_rounded_function_for_every_input(name, formats):
    table = make_table(name, *formats)
    check_registers(table)
    error = np.abs(evaluate(table, INPUTS) - ideal(get_function(name), *formats))
    assert error.max() <= 1
    assert np.mean(error > 0) < 0.02


@pytest.mark.parametrize("formats", [(8, 8), (12, 12)])
@pytest.mark.parametrize("name", ["tanh", "sigmoid"])
def test_agrees_with_an_independent_rounding(name, formats):
    x = INPUTS / 2.0 ** formats[0]
    y = np.tanh(x) if name == "tanh" else np.where(
        x < 0, np.exp(np.minimum(x, 0)), 1) / (1 + np.exp(-np.abs(x)))
    wanted = np.clip(np.floor(y * 2.0 ** formats[1] + 0.5), -32768, 32767)
    assert np.abs(evaluate(make_table(name, *formats), INPUTS) - wanted).max() <= 1


@pytest.mark.parametrize(("name", "formats"), [
    ("exp", (8, 8)), ("exp", (12, 12)), ("sqrt", (8, 8)), ("sqrt", (12, 12)),
    ("reciprocal", (8, 8)), ("reciprocal", (12, 12)), ("log", (8, 8)), ("log", (12, 11))])
def test_smooth_functions_stay_within_one(name, formats):
    table = make_table(name, *formats)
    check_registers(table)
    assert table_error(table, get_function(name), *formats) <= 1


@pytest.mark.parametrize("formats", [(8, 8), (12, 12), (15, 15), (3, 3), (12, 9), (8, 11), (0, 14),
                                     (0, 20), (20, -20)])
@pytest.mark.parametrize("name", ["identity", "relu", "abs"])
def test_straight_lines_are_exact(name, formats):
    table = make_table(name, *formats)
    check_registers(table)
    np.testing.assert_array_equal(evaluate(table, INPUTS), ideal(get_function(name), *formats))


def test_relu_abs_and_clip_in_integers():
    np.testing.assert_array_equal(evaluate(make_table("relu", 8, 8), INPUTS), INPUTS.clip(0))
    np.testing.assert_array_equal(
        evaluate(make_table("abs", 8, 8), INPUTS), np.abs(INPUTS).clip(max=32767))
    table = make_table(get_function("clip", (-1.5, 6.0)), 8, 8)
    check_registers(table)
    np.testing.assert_array_equal(evaluate(table, INPUTS), INPUTS.clip(-384, 1536))


@pytest.mark.parametrize("bounds", [(0.0, 6.0), (-1.0, 1.0), (-np.inf, 3.3), (-0.01, 1e9), (2, 2)])
def test_clip_is_exact(bounds):
    function = get_function("clip", bounds)
    table = make_table(function, 11, 11)
    check_registers(table)
    np.testing.assert_array_equal(evaluate(table, INPUTS), ideal(function, 11, 11))


@pytest.mark.parametrize("slope", [0.01, 0.1, 0.25, -0.5, 1.5])
@pytest.mark.parametrize("formats", [(8, 8), (12, 12), (10, 12), (12, 10)])
def test_leaky_relu_is_the_requantised_product(slope, formats):
    table = make_table(get_function("leaky_relu", (slope,)), *formats)
    check_registers(table)
    first, second = table.b
    exact = np.where(INPUTS < 0, INPUTS * first, INPUTS * second)
    half = 2 ** (table.shift - 1)
    np.testing.assert_array_equal(evaluate(table, INPUTS),
                                  ((exact + half) >> table.shift).clip(-32768, 32767))
    assert second == 2 ** (table.shift + formats[1] - formats[0])
    assert first == pytest.approx(slope * second, abs=0.5)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_evaluator_takes_the_documented_steps(name):
    table = make_table(get_function(name, PARAMETERS.get(name, ())), 9, 9)
    samples = np.concatenate([INPUTS[::97], INPUTS[-3:], np.arange(-20, 40)])
    assert evaluate(table, samples).tolist() == [mapper(table, int(x)) for x in samples]


@pytest.mark.parametrize("formats", [(0, 16), (16, 0), (8, 8)])
def test_steep_leaky_relu_and_moved_clip_fall_back_to_segments(formats):
    for function in (get_function("leaky_relu", (1.9,)), get_function("clip", (-2.0, 1.0))):
        table = make_table(function, *formats)
        check_registers(table)
        assert table_error(table, function, *formats) <= 1


def test_a_constant_function_needs_one_segment():
    table = make_table("tanh", 12, -3)
    assert table.c == (0,)
    assert set(evaluate(table, INPUTS)) == {0}


def test_fewer_segments_are_wider():
    table = make_table("tanh", 12, 12, 64)
    assert len(table.c) <= 64
    assert table_error(table, get_function("tanh"), 12, 12) <= 1


def test_says_what_does_not_fit():
    step = Function("step", lambda x: np.clip(x, -150, 150) + np.where(x < 0, -32000, 32000))
    with pytest.raises(QuantisationError, match=r"^step: no table from 0 to 0 bits .* fewer bits"):
        make_table(step, 0, 0)
    with pytest.raises(QuantisationError, match=r"^log: needs 208 segments, the mapper has 64"):
        make_table("log", 8, 8, 64)
    with pytest.raises(ValueError, match=r"^unknown function 'sine'; functions are identity, "):
        make_table("sine", 8, 8)


def test_a_function_is_written_with_its_parameters():
    assert str(get_function("clip", (0.0, 6.0))) == "clip(0, 6)"
    assert str(get_function("tanh")) == "tanh"


def test_tables_are_plain_data():
    assert isinstance(make_table("tanh", 8, 8), LookupTable)
    assert make_table("tanh", 8, 8) is make_table("tanh", 8, 8)


SMOOTH = [name for name in FUNCTIONS
          if name not in ("identity", "relu", "abs", "leaky_relu", "clip", "reciprocal", "root",
                          "steps")]


@pytest.mark.parametrize("formats", [(8, 8), (12, 12), (11, 13), (13, 14)])
@pytest.mark.parametrize("name", SMOOTH)
def test_every_function_stays_within_a_step_or_three(name, formats):
    """Q8.8 is coarse for what bends near 0: a segment spans a whole unit."""
    function = get_function(name, PARAMETERS.get(name, ()))
    table = make_table(function, *formats)
    check_registers(table)
    assert table_error(table, function, *formats) <= (3 if formats[0] == 8 or name.startswith("log")
                                                       else 1)


def test_square_root_of_nothing_is_nothing():
    assert evaluate(make_table("sqrt", 8, 12), np.array([-5, 0, 1])).tolist() == [0, 0, 256]


@pytest.mark.parametrize("scale", [8.0, 20.0, 127 / 3])
def test_steps_round_to_whole_numbers(scale):
    function = get_function("steps", (scale, -128.0, 100.0))
    table = make_table(function, 12, 0)
    x = INPUTS / 2.0**12
    exact = x * scale
    wanted = np.clip(np.floor(exact + 0.5), -128, 100)
    found = evaluate(table, INPUTS)
    # Only what lies next to a half may go the other way.
    near = np.abs(exact - np.floor(exact) - 0.5) < 0.01
    assert (found == wanted)[~near].all() and np.abs(found - wanted).max() <= 1


def test_counting_down_is_exact():
    table = make_table(get_function("count_down", (999.0,)), 0, 0)
    assert evaluate(table, np.arange(1000)).tolist() == list(range(999, -1, -1))


@pytest.mark.parametrize("exponent", [40, 1025, 1 << 20])
def test_large_powers_saturate(exponent):
    function = get_function("power", (exponent,))
    lowest, below = (32767, 1 << 14) if exponent % 2 == 0 else (-32768, -(1 << 14))
    # -4, -1, 0, 1 and almost 4 from 13 to 14 bits behind the point.
    with np.errstate(over="raise"):
        found = ideal(function, 13, 14, [-32768, -(1 << 13), 0, 1 << 13, 32767])
    assert found.tolist() == [lowest, below, 0, 1 << 14, 32767]
