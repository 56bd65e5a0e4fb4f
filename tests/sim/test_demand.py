import numpy as np
import pytest

from compiler.lower import lower
from compiler.lower.circuit import Circuit, StepPlan, loops, route
from compiler.lower.image import Layout, encode_program
from hdl.target import get_target
from sim.functional import prepare
from sim.functional.demand import Demand, step_demands
from tests.random_layers import random_layer

TINY = get_target("tiny")


def _demands(lowered, target):
    return step_demands(target, prepare(np.frombuffer(lowered.image, np.uint8), 0, target))


@pytest.mark.parametrize("name", ["tiny", "virtex6-lx240t"])
def test_registers_and_the_compiler_s_report_agree(name):
    target = get_target(name)
    for seed in range(20 if name == "tiny" else 5):
        layer = random_layer(seed)
        print(layer)
        lowered = lower(layer.graph, target)
        for step, demand in zip(lowered.steps, _demands(lowered, target), strict=True):
            reports = step["convolvers"]
            assert demand.chain == max((one["chain_cycles"] for one in reports), default=0)
            assert demand.weights == max((one["weights"] for one in reports), default=0)
            assert (demand.stream == 0) == bool(reports)
            assert demand.memory > 0 and demand.bytes_written > 0


def test_a_copy_of_every_fourth_sample():
    circuit = Circuit()
    node = TINY.tiles
    circuit.set(node, "read", {"enable": 1, "repeat": 3, "entries": 2} | loops((8, 4)))
    circuit.set(node, "read_table", [0x8000, 0x9000])
    circuit.set(node, "write", {"enable": 1, "base": 0xA000} | loops((48, 1)))
    route(circuit, 0, {"dma": "dma"})
    head, packets, _ = encode_program([StepPlan("s", "layer", circuit, (), (), 1)], TINY,
                                      Layout(64, 0, 0x1000, 0, 0), 0)
    memory = np.zeros(0x2000, np.uint8)
    memory[:len(head)] = np.frombuffer(head, np.uint8)
    memory[0x1000:0x1000 + len(packets)] = np.frombuffer(packets, np.uint8)
    demand, = step_demands(TINY, prepare(memory, 0, TINY))
    # Beats of 8 bytes hold 4 samples: each sample read costs a beat; 48 are written in 12 beats.
    read, written = 8 * 48, 8 * 12
    assert demand == Demand(stream=48, bytes_read=read, bytes_written=written,
                            memory=round((read + written) / 8))


def test_demands_add_up():
    assert Demand(chain=1, memory=2) + Demand(chain=3, bytes_read=4) == Demand(
        chain=4, memory=2, bytes_read=4)
