from dataclasses import replace

import numpy as np
import pytest

from compiler.lower.circuit import Circuit, StepPlan, loops, route
from compiler.lower.image import Layout, encode_program
from hdl.registers import FIFO_MODES, OPERATIONS
from hdl.target import get_target
from sim.functional import prepare
from sim.verify.circuits import circuit_faults

TINY = get_target("tiny")
PORT = TINY.tiles
BUFFER, LOOP = (FIFO_MODES.index(name) for name in ("buffer", "loop"))
ADD, SUM = OPERATIONS.index("add"), OPERATIONS.index("reduce_sum")


def _copy(sinks, read=8, write=8, **units):
    """Return a circuit on tile 0 that reads and writes so many samples."""
    circuit = Circuit()
    circuit.set(PORT, "read", {"enable": 1, "repeat": 1, "entries": 1} | loops((read, 1)))
    circuit.set(PORT, "read_table", [0x8000])
    circuit.set(PORT, "write", {"enable": 1, "base": 0xA000} | loops((write, 1)))
    route(circuit, 0, sinks)
    for name, values in units.items():
        circuit.set(0, name, values)
    return circuit


def _faults(circuit, target=TINY):
    head, packets, _ = encode_program([StepPlan("s", "layer", circuit, (), (), 1)], target,
                                      Layout(64, 0, 0x1000, 0, 0), 0)
    memory = np.zeros(0x4000, np.uint8)
    memory[:len(head)] = np.frombuffer(head, np.uint8)
    memory[0x1000:0x1000 + len(packets)] = np.frombuffer(packets, np.uint8)
    (step, active), = prepare(memory, 0, target).steps
    return list(circuit_faults(target, active, step.commit))


def _fork(back, **fifo):
    """Return a circuit that sums groups of samples and adds them to what came in."""
    return _copy({"op0_a": "dma", "fifo0": "dma", "op1_a": "op0", "op1_b": "fifo0",
                  "dma": "op1"}, write=8 // back,
                 op0={"operation": SUM, "count": back, "constant": 1},
                 op1={"operation": ADD}, fifo={"mode0": BUFFER, "last0": 99, **fifo})


@pytest.mark.parametrize("circuit", [
    _copy({"dma": "dma"}),
    _copy({"mapper": "dma", "dma": "mapper"}),
    _copy({"op0_a": "dma", "dma": "op0"}, write=2, op0={"operation": SUM, "count": 4}),
    _copy({"fifo0": "dma", "dma": "fifo0"}, write=24,
          fifo={"mode0": LOOP, "last0": 7, "count0": 3}),
    _copy({"op0_a": "dma", "op0_b": "dma", "dma": "op0"}, op0={"operation": ADD}),
    _copy({"op0_a": "dma", "dma": "op0"}, write=4, op0={
        "operation": ADD, "constant_enable": 1, "width": 4, "height": 2, "step_x": 2,
        "step_y": 1}),
], ids=range(6))
def test_circuits_that_run(circuit):
    assert _faults(circuit) == []


@pytest.mark.parametrize(("circuit", "fault"), [
    (_copy({"dma": "op0", "op0_a": "op0"}, op0={"operation": ADD, "constant_enable": 1}),
     "comes back to itself and can deadlock: op0 of tile 0"),
    (_copy({"dma": "op0", "op0_a": "dma", "op0_b": "op0"}, op0={"operation": ADD}),
     "comes back to itself"),
    (_copy({"dma": "dma"}, write=9), "write of tile 0 waits for 9 samples, 8 come"),
    (_copy({"dma": "mapper"}), "mapper of tile 0 waits for mapper, which nothing feeds"),
    (_copy({"op0_a": "dma", "dma": "op0"}, op0={"operation": SUM, "count": 3}),
     "op0 of tile 0 reduces 3 of 8 samples"),
    (_copy({"fifo0": "dma", "dma": "fifo0"}, fifo={"last0": 99}),
     "FIFO 0 of tile 0 is off, but samples come"),
    (_copy({"fifo0": "dma", "dma": "fifo0"},
           fifo={"mode0": LOOP, "last0": 6, "count0": 1}),
     "loops over 7 samples, 8 come"),
    (_copy({"fifo0": "dma", "dma": "fifo0"},
           fifo={"mode0": LOOP, "last0": 7}), "waits for 8 samples, None come"),
    (_fork(2), "operands have {'op1_a': 4, 'op1_b': 8} samples"),
    (_copy({"op0_a": "dma", "op1_a": "op0", "op1_b": "dma", "dma": "op1"}, write=8,
           op0={"operation": SUM, "count": 4}, op1={"operation": ADD}),
     "one path from read of tile 0 holds back 3 samples, FIFOs on the other take 0"),
    (_copy({"conv_a": "mapper", "dma": "dma"}),
     "router of tile 0 cannot connect conv_a to mapper"),
], ids=range(11))
def test_circuits_that_would_hang(circuit, fault):
    assert any(fault in one for one in _faults(circuit)), _faults(circuit)


@pytest.mark.parametrize(("spare", "faults"), [
    (0, []), (1, ["FIFO 0 of tile 0 holds 257 samples in 256"])])
def test_only_one_fifo_has_the_spare_block(spare, faults):
    circuit = _copy({"fifo0": "dma", "dma": "fifo0"}, fifo={
        "mode0": BUFFER, "last0": 256, "spare": spare})
    assert _faults(circuit, replace(TINY, fifo_blocks=3)) == faults
