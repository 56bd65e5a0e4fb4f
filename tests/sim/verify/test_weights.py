import random

import numpy as np
import pytest

from compiler.compile import compile_fixed, compile_model
from examples.lenet5 import data, evaluate
from hdl.target import get_target
from sim.verify import verify_program
from sim.verify.weights import multisets
from tests.random_layers import random_layer
from tests.sim.verify.mutations import flipped_sample, weight_channels


def test_numbers_of_rows_tell_weights_but_not_their_order():
    rng = np.random.default_rng(5)
    rows = rng.integers(-32768, 32768, (50, 30)).astype(np.int16)
    shuffled = np.pad(rng.permuted(rows, axis=1), ((0, 0), (3, 4)))
    np.testing.assert_array_equal(multisets(rows), multisets(shuffled))
    assert len(set(multisets(rows).tolist())) == 50
    other = rows.copy()
    other[np.arange(50), rng.integers(0, 30, 50)] ^= 1
    assert not (multisets(other) == multisets(rows)).any()
    # What is left out, and what stands there twice, counts.
    assert multisets(np.array([[1, 1, 2], [1, 2, 2], [1, 2, 0]], np.int16)).tolist() != 3 * [
        multisets(np.array([[1, 1, 2]], np.int16))[0]]


@pytest.mark.parametrize("target", ["tiny", "virtex6-lx240t"])
def test_any_changed_bias_shift_or_weight_of_an_image_is_found(target):
    program = compile_model(evaluate.MODEL, target, data.calibration())
    channels, rng, seen = list(weight_channels(program)), random.Random(6), 0
    for _ in range(30):
        step, tile, first, length = rng.choice(channels)
        address, bit = first + rng.randrange(length), rng.randrange(16)
        faults = verify_program(flipped_sample(program, address, bit)).faults
        if not faults:
            # Only the shift of a lane that makes no map, or a bit that fills a word, may change.
            continue
        seen += 1
        layer = program.manifest["steps"][step]["layer"].partition("+")[0]
        assert any((f"step {step}, tile {tile}: " in fault and fault.endswith(layer))
                   or "would refuse the image: convolver: shift" in fault
                   for fault in faults), faults
    assert seen >= 25


def test_weights_that_meet_padding_alone_may_be_left_out():
    """Kernels larger than their map, in pieces of which some meet nothing."""
    for seed in (3006, 3013, 3028, 3036):
        layer = random_layer(seed, shape="conv")
        assert verify_program(compile_fixed(layer.graph, get_target("tiny"))).proved, str(layer)
