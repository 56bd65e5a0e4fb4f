import dataclasses
import struct

import numpy as np
import pytest

from compiler.errors import CompileError
from compiler.fixed import Convolution, FixedGraph, Lookup, Node, Pool
from compiler.lower import lower
from compiler.lower.posts import average_factor
from compiler.lower.stages import find_stages
from hdl.control.counters import counter_names
from hdl.target import TARGETS, Memory, get_target
from sim.reference import run
from tests.random_layers import lenet5, one_convolution, random_layer
from tests.run_functional import run_lowered

TINY = get_target("tiny")


def _same(layer, target):
    lowered = lower(layer.graph, target)
    got = run_lowered(lowered, layer.graph, layer.inputs, target)
    wanted = run(layer.graph, layer.inputs)
    for name in layer.graph.outputs:
        np.testing.assert_array_equal(got[name], wanted[name], str(layer))
    return lowered


@pytest.mark.parametrize("name", TARGETS)
def test_lenet5_on_every_target(name):
    lowered = _same(lenet5(), get_target(name))
    assert sum(step["macs"] for step in lowered.steps) == 117600 + 180000 + 30000 + 1000


def test_lenet5_runs_in_four_steps_on_tiny():
    lowered = lower(lenet5().graph, TINY)
    assert [step["number"] for step in lowered.steps] == [0, 1, 2, 3]
    assert [step["name"] for step in lowered.steps] == ["n0+n1+n2", "n3+n4+n5", "n6+n7", "n8"]
    first = lowered.steps[0]["convolvers"][0]
    assert (first["frame"], first["passes"], first["active_macs"]) == ([32, 32], 6, 25)
    assert sum(step["predicted_cycles"] for step in lowered.steps) < 55_000


def test_header_and_records():
    lowered = lower(lenet5().graph, TINY)
    header = struct.unpack_from("<16I", lowered.image, lowered.program_address)
    assert header[:2] == (0x574C464E, 1)
    assert header[3] << 32 | header[2] == TINY.fingerprint
    assert header[4] == len(lowered.steps)
    assert header[6:8] == (lowered.log["address"], lowered.log["words"])
    assert lowered.log["words"] == 3 + len(counter_names(TINY))
    for number in range(header[4]):
        record = struct.unpack_from("<8I", lowered.image, header[5] + 32 * number)
        assert record[0] + 4 * record[1] <= len(lowered.image)
        assert record[2] & record[3] == record[3]
        assert record[5:] == (number, 0, 0)


def test_without_a_log():
    lowered = lower(lenet5().graph, TINY, log=False)
    assert lowered.log == {"address": 0, "words": 0}
    assert struct.unpack_from("<2I", lowered.image, 24) == (0, 0)


def test_lowering_twice_gives_the_same_bytes():
    assert lower(lenet5().graph, TINY).image == lower(lenet5().graph, TINY).image


@pytest.mark.parametrize(("arguments", "steps"), [
    (((1, 40, 600), 2, (3, 3), (1, 1), (1, 1, 1, 1)), 3),  # blocks of rows and columns
    (((2, 31, 31), 3, (15, 15), (1, 1), (7, 7, 7, 7)), 1),  # pieces
    (((2, 31, 31), 3, (13, 13), (6, 6), (5, 5, 5, 5)), 1),  # more phases than kinds
    (((100, 9, 9), 3, (7, 7), (1, 1), (3, 3, 3, 3)), 1),  # two loops around the rows
    (((300, 9, 9), 17, (3, 3), (1, 1), (1, 1, 1, 1)), 1),  # more maps than table entries
    (((64, 9, 9), 64, (5, 5), (2, 2), (1, 1, 1, 1), 32), 1),
    (((40, 7, 7), 40, (3, 3), (1, 1), (1, 1, 1, 1), 40), 1),
    (((500, 3, 3), 11, (3, 3)), 1),
    (((1, 1, 1), 1, (1, 1), (1, 1), (3, 3, 3, 3)), 1),  # nearly all outputs are bias alone
])
def test_large_and_odd_layers(arguments, steps):
    assert len(_same(one_convolution(*arguments), TINY).steps) >= steps


def test_maps_spread_over_all_convolvers():
    target = get_target("virtex6-lx240t")
    lowered = _same(one_convolution((8, 20, 20), 24, (3, 3), (1, 1), (1, 1, 1, 1)), target)
    assert [item["tile"] for item in lowered.steps[0]["convolvers"]] == list(target.convolvers)


def test_a_tensor_that_is_read_twice_or_kept_is_not_fused_away():
    layer = random_layer(3, shape="chain")
    stages = find_stages(layer.graph, TINY)
    assert [len(stage.nodes) for stage in stages] == [2, 1, 1, 1]
    layer = random_layer(3, shape="conv_lookup")
    kept = dataclasses.replace(layer.graph, outputs=("t1", "t2"))
    assert [len(stage.nodes) for stage in find_stages(kept, TINY)] == [1, 1]


@pytest.mark.parametrize("samples", [1, 2, 3, 4, 5, 9, 49, 64, 100, 65535])
def test_average_factor_is_as_documented(samples):
    factor, shift = average_factor(samples)
    if samples & (samples - 1) == 0:
        assert (factor, shift) == (1, samples.bit_length() - 1)
    else:
        assert shift == max(s for s in range(32) if round(2**s / samples) <= 32767)
        assert factor == round(2**shift / samples)


@dataclasses.dataclass(frozen=True)
class Mystery(Node):
    pass


def test_unknown_node():
    graph = random_layer(1, shape="lookup").graph
    graph = dataclasses.replace(graph, nodes=(Mystery("m", ("t0",), "t1", "layer_m"),))
    with pytest.raises(CompileError, match="^layer_m: the machine has no circuit for Mystery"):
        lower(graph, TINY)


def test_layer_that_exceeds_the_table():
    layer = one_convolution((1, 124, 124), 1, (121, 121), (3, 3))
    with pytest.raises(CompileError, match=r"^layer_n0: no way to cut the layer fits target tiny: "
                                           r".* exceed the 256 entries of a DMA port's table"):
        lower(layer.graph, TINY)


def test_network_that_exceeds_the_memory():
    small = dataclasses.replace(TINY, memory=Memory(size=1 << 16, peak=1_600_000_000))
    with pytest.raises(CompileError, match=r"^layer_n\d.*: weights take [\d,]+ of the [\d,]+ bytes "
                                           r"of memory that .* need, target tiny has 65,536; "):
        lower(lenet5().graph, small)


def test_weights_that_do_not_fit_the_maps():
    graph = one_convolution((2, 9, 9), 3, (3, 3)).graph
    conv = dataclasses.replace(graph.nodes[0], weights=np.zeros((3, 1, 3, 3), int))
    with pytest.raises(CompileError, match=r"^layer_n0: weights \(3, 1, 3, 3\) in 1 groups"):
        lower(dataclasses.replace(graph, nodes=(conv,)), TINY)


def test_pool_window_in_padding_alone():
    graph = random_layer(1, shape="pool").graph
    pool = dataclasses.replace(graph.nodes[0], window=(1, 1), stride=(1, 1), padding=(2, 0, 0, 0))
    with pytest.raises(CompileError, match="^layer_n0: window 0 lies in the padding alone"):
        lower(dataclasses.replace(graph, nodes=(pool,)), TINY)


def test_operation_that_operators_do_not_know():
    graph = random_layer(1, shape="add").graph
    node = dataclasses.replace(graph.nodes[0], operation="xor")
    with pytest.raises(CompileError, match="^layer_n0: the operators do not know 'xor'"):
        lower(dataclasses.replace(graph, nodes=(node,)), TINY)


def test_two_tensors_need_neighbouring_ports():
    lonely = dataclasses.replace(TINY, dma_tiles=(0, 3))
    with pytest.raises(CompileError, match="^layer_n0: target tiny has no two DMA ports on neigh"):
        lower(random_layer(1, shape="add").graph, lonely)


def test_fused_nodes_are_named_in_order():
    layer = random_layer(5, shape="conv_pool_lookup")
    (stage,) = find_stages(layer.graph, TINY)
    assert [type(node) for node in stage.nodes] == [Convolution, Pool, Lookup]
    assert stage.layer == "layer_n0+layer_n1+layer_n2"
    assert isinstance(layer.graph, FixedGraph)
