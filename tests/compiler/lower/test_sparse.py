import numpy as np
import pytest

from compiler.fixed import Convolution, FixedGraph, Lookup, Pool, Tensor
from compiler.lower.lower import lower
from compiler.lower.sparse import connections, plan_sparse_jobs
from compiler.lower.stages import Stage
from compiler.lower.work import work_of
from compiler.tables import make_table
from hdl.target import get_target
from sim import reference
from tests.run_functional import run_lowered


def sparse_network(seed, *, maps, channels, size, kernel, connected, pool=False, lookup=False,
                   groups=1):
    """Return a convolution in which each map reads ``connected`` random input maps."""
    print("seed", seed)
    rng = np.random.default_rng(seed)
    depth = channels // groups
    weights = rng.integers(-400, 400, (maps, depth, *kernel))
    for number in range(maps):
        few = connected if isinstance(connected, int) else int(rng.integers(*connected))
        weights[number, rng.permutation(depth)[few:]] = 0
    pads = [int(rng.integers(0, k)) for k in (*kernel, *kernel)]
    rows = size[0] + pads[0] + pads[2] - kernel[0] + 1
    columns = size[1] + pads[1] + pads[3] - kernel[1] + 1
    nodes = [Convolution("conv", ("x",), "y", "conv", weights,
                         rng.integers(-1 << 20, 1 << 20, maps), rng.integers(8, 12, maps),
                         (1, 1), tuple(pads), groups)]
    tensors = [Tensor("x", (channels, *size), 8), Tensor("y", (maps, rows, columns), 8)]
    if lookup:
        nodes.append(Lookup("tanh", ("y",), "t", "tanh", "tanh", make_table("tanh", 12, 12)))
        tensors.append(Tensor("t", (maps, rows, columns), 12))
    if pool:
        rows, columns = rows // 2, columns // 2
        nodes.append(Pool("pool", (tensors[-1].name,), "p", "pool", "max", (2, 2), (2, 2)))
        tensors.append(Tensor("p", (maps, rows, columns), 8))
    graph = FixedGraph(tuple(nodes), {t.name: t for t in tensors}, ("x",), (tensors[-1].name,))
    return graph, {"x": rng.integers(-2000, 2000, (channels, *size)).astype(np.int16)}


CASES = [
    ("tiny", {"maps": 5, "channels": 6, "size": (9, 11), "kernel": (5, 5), "connected": 2}),
    ("tiny", {"maps": 4, "channels": 8, "size": (12, 10), "kernel": (3, 3), "connected": (0, 4)}),
    ("tiny", {"maps": 3, "channels": 5, "size": (9, 9), "kernel": (7, 7), "connected": 2}),
    ("tiny", {"maps": 7, "channels": 7, "size": (10, 10), "kernel": (3, 4), "connected": 1,
              "pool": True, "lookup": True}),
    ("tiny", {"maps": 6, "channels": 6, "size": (8, 9), "kernel": (3, 3), "connected": 1,
              "groups": 6}),
    ("virtex6-lx240t", {"maps": 3, "channels": 3, "size": (48, 64), "kernel": (1, 15),
                        "connected": 1, "groups": 3}),
    ("virtex6-lx240t", {"maps": 16, "channels": 3, "size": (40, 52), "kernel": (7, 7),
                        "connected": 1, "pool": True, "lookup": True}),
    ("virtex6-lx240t", {"maps": 30, "channels": 16, "size": (30, 40), "kernel": (7, 7),
                        "connected": 8, "pool": True}),
    ("virtex6-lx240t", {"maps": 13, "channels": 8, "size": (90, 120), "kernel": (7, 7),
                        "connected": (2, 5)}),
]


@pytest.mark.parametrize("seed, case", list(enumerate(CASES)))
def test_same_bits_as_the_reference(seed, case):
    name, shape = case
    target = get_target(name)
    graph, inputs = sparse_network(seed, **shape)
    lowered = lower(graph, target)
    expected = reference.run(graph, inputs)
    got = run_lowered(lowered, graph, inputs, target)
    for output in graph.outputs:
        np.testing.assert_array_equal(got[output], expected[output])


def test_two_lanes_read_unrelated_maps():
    target = get_target("virtex6-lx240t")
    graph, _ = sparse_network(3, maps=64, channels=16, size=(30, 40), kernel=(7, 7), connected=8)
    steps = lower(graph, target).steps
    convolvers = [report for step in steps for report in step["convolvers"]]
    assert {report["lanes"] for report in convolvers} == {2}
    assert {report["frames"] for report in convolvers} == {8}
    assert sum(report["macs"] for report in convolvers) == 64 * 8 * 49 * np.prod(
        graph.tensors["y"].shape[1:])


def test_a_full_table_stays_with_shared_maps():
    target = get_target("virtex6-lx240t")
    graph, _ = sparse_network(4, maps=22, channels=4, size=(20, 20), kernel=(3, 3), connected=4)
    steps = lower(graph, target).steps
    assert max(report["lanes"] for step in steps for report in step["convolvers"]) > 2


def test_connections_of_groups_are_input_maps_of_the_whole_layer():
    graph, _ = sparse_network(5, maps=4, channels=4, size=(6, 6), kernel=(3, 3), connected=2,
                              groups=2)
    work = work_of(Stage(graph.nodes[0]), graph)
    assert connections(work, graph.nodes[0].weights) == ((0, 1), (0, 1), (2, 3), (2, 3))


def test_no_way_for_rows_beyond_the_accumulators():
    target = get_target("tiny")
    graph, _ = sparse_network(6, maps=2, channels=3, size=(4, 1500), kernel=(3, 3), connected=1)
    work = work_of(Stage(graph.nodes[0]), graph)
    table = connections(work, graph.nodes[0].weights)
    assert plan_sparse_jobs(work, table, lambda length: [(3, 3)], target) is None


def test_order_of_maps_is_free():
    target = get_target("virtex6-lx240t")
    graph, inputs = sparse_network(7, maps=25, channels=9, size=(12, 16), kernel=(7, 7),
                                   connected=(1, 9))
    got = run_lowered(lower(graph, target), graph, inputs, target)
    np.testing.assert_array_equal(got["y"], reference.run(graph, inputs)["y"])
