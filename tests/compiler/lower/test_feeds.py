import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from compiler.lower import lower
from compiler.lower.circuit import Circuit, route
from compiler.lower.feeds import can_share, feed_circuit
from compiler.lower.placement import OPPOSITE, partners
from compiler.lower.search import plan_jobs
from compiler.lower.work import Work
from hdl.registers import SINKS, SOURCES
from hdl.target import get_target
from host.device import open_device
from sim.reference import run
from tests.graph_programs import graph_program
from tests.random_layers import one_convolution, pooled_convolution
from tests.run_functional import run_lowered

VIRTEX6 = get_target("virtex6-lx240t")

#: Two convolvers side by side.
PAIR = dataclasses.replace(get_target("tiny"), name="pair", rows=1, convolvers=(0, 1), macs=18,
                           kernel_rows=3, banks=2)

LAYERS = [
    one_convolution((3, 20, 40), 8, (3, 3), (1, 1), (1, 1, 1, 1)),  # a block after the other
    one_convolution((2, 60, 60), 66, (11, 11), (4, 4)),  # phases
    one_convolution((4, 27, 27), 46, (5, 5), (1, 1), (2, 2, 2, 2), 2),  # groups
    one_convolution((5, 9, 9), 64, (3, 3), (1, 1), (1, 1, 1, 1)),
    pooled_convolution((2, 70, 66), 22, (3, 3), (1, 1, 1, 1), (2, 2))]


def _jobs(target, sizes, streams=2):
    """Return the jobs of a batch in groups of so many convolvers that share their frames."""
    work = Work("layer", 66, 1, 2, (13, 13), (3, 3), (1, 1), (1, 1), (13, 13))
    job = dataclasses.replace(plan_jobs(work, np.ones((66, 2, 3, 3)), target)[0][0],
                              streams=streams)
    return [dataclasses.replace(job, shared=place > 0) for size in sizes for place in range(size)]


def _source(circuit, tile, sink):
    number = circuit.units[tile]["router"]["source"][SINKS.index(sink)]
    return SOURCES[number - 1] if number else None


def _origin(circuit, tile, sink, target):
    """Follow a sink back to the tile whose read channel it comes from."""
    source = _source(circuit, tile, sink)
    while source != "dma":
        tile = target.neighbour(tile, source)
        source = _source(circuit, tile, OPPOSITE[source])
    return tile


@pytest.mark.parametrize("sizes", [(6,), (5, 1), (4, 2), (3, 3), (2, 2, 2), (1,) * 6, (2, 3), (1,)])
@pytest.mark.parametrize("streams", [1, 2])
def test_each_group_is_fed_by_one_channel_beside_the_drains(sizes, streams):
    jobs = _jobs(VIRTEX6, sizes, streams)
    assert can_share(jobs, VIRTEX6)
    circuit = feed_circuit(jobs, 1000, VIRTEX6)
    origins = [_origin(circuit, tile, "conv_a", VIRTEX6)
               for tile, _ in zip(VIRTEX6.convolvers, jobs, strict=False)]
    place = 0
    for size in sizes:
        assert len(set(origins[place:place + size])) == 1
        place += size
    readers = [node for node, units in circuit.units.items() if "read" in units]
    assert sorted(readers) == sorted(VIRTEX6.tiles + VIRTEX6.port_of_tile(tile)
                                     for tile in set(origins))
    assert len(readers) == len(sizes)
    if streams == 2:
        for tile, _ in zip(VIRTEX6.convolvers, jobs, strict=False):
            assert _source(circuit, tile, partners(VIRTEX6)[tile][1]) is None


def test_six_links_feed_six_convolvers_from_one_port():
    circuit = feed_circuit(_jobs(VIRTEX6, (6,)), 0, VIRTEX6)
    links = [(tile, sink) for tile, units in circuit.units.items() if tile < VIRTEX6.tiles
             for sink in OPPOSITE if _source(circuit, tile, sink)]
    assert len(links) == 6
    assert sum("read" in units for units in circuit.units.values()) == 1


def test_without_links_nothing_is_shared():
    row = dataclasses.replace(VIRTEX6, rows=1, columns=4, convolvers=(0, 3),
                              dma_tiles=(0, 1, 2, 3))
    first = SimpleNamespace(shared=False, streams=2, input_streams=1)
    assert can_share([first, SimpleNamespace(shared=True, streams=2, input_streams=1)], row)
    # Second input streams come over the links that would bring the first ones.
    assert not can_share([SimpleNamespace(shared=False, streams=2, input_streams=2),
                          SimpleNamespace(shared=True, streams=2, input_streams=2)], row)


def test_a_sink_is_not_used_twice():
    circuit, other = Circuit(), Circuit()
    route(circuit, 4, {"e": "conv1", "conv_a": "n"})
    route(other, 4, {"e": "dma", "s": "n"})
    with pytest.raises(ValueError, match="sink e of tile 4 is used twice in a step"):
        circuit.join(other)


@pytest.mark.parametrize("target", [PAIR, VIRTEX6], ids=lambda target: target.name)
def test_shared_frames_equal_the_reference(target):
    shared = 0
    for layer in LAYERS:
        lowered = lower(layer.graph, target)
        shared += any(part["shared"] for step in lowered.steps for part in step["convolvers"])
        got = run_lowered(lowered, layer.graph, layer.inputs, target)
        wanted = run(layer.graph, layer.inputs)
        for name in layer.graph.outputs:
            np.testing.assert_array_equal(got[name], wanted[name], str(layer))
    assert shared >= 2


@pytest.mark.rtl
@pytest.mark.parametrize("target", [
    PAIR, pytest.param(VIRTEX6, marks=pytest.mark.slow)], ids=lambda target: target.name)
def test_shared_frames_on_the_rtl_equal_the_reference(target):
    with open_device(target, "rtl") as device:
        for layer in LAYERS:
            device.load(graph_program(layer.graph, target))
            outputs = device.run_samples(layer.inputs)
            wanted = run(layer.graph, layer.inputs)
            for name in layer.graph.outputs:
                np.testing.assert_array_equal(outputs[name], wanted[name], str(layer))
