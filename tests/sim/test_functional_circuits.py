"""Circuits wired by hand, those that run and those that would hang."""

import numpy as np
import pytest

from compiler.lower.circuit import Circuit, StepPlan, loops, route
from compiler.lower.image import Layout, encode_program
from hdl.registers import FIFO_MODES, OPERATIONS
from hdl.target import get_target
from sim.functional import FunctionalError, FunctionalMachine

TINY = get_target("tiny")
PORT = TINY.tiles

#: Sample addresses of two inputs and of the output.
A, B, OUT = 0x8000, 0x9000, 0xA000


def _read(circuit, node=PORT, address=A, count=8, **changes):
    circuit.set(node, "read", {"enable": 1, "repeat": 1, "entries": 1} | loops((count, 1))
                | changes)
    circuit.set(node, "read_table", [address])


def _write(circuit, node=PORT, address=OUT, count=8):
    circuit.set(node, "write", {"enable": 1, "base": address} | loops((count, 1)))


def _run(*circuits):
    """Run one step a circuit and return the machine's memory by sample."""
    steps = [StepPlan("step", "layer", circuit, (), (), 1) for circuit in circuits]
    head, packets, _ = encode_program(steps, TINY, Layout(64, 0, 0x1000, 0, 0), 0)
    machine = FunctionalMachine(TINY)
    machine.load(0, head)
    machine.load(0x1000, packets)
    samples = machine.memory.view("<i2")
    samples[A:A + 16] = np.arange(16)
    samples[B:B + 16] = 100 * np.arange(16)
    machine.run()
    return samples


def _copy(sinks, tile=0, **read):
    circuit = Circuit()
    _read(circuit, **read)
    _write(circuit)
    route(circuit, tile, sinks)
    return circuit


def test_copy():
    assert _run(_copy({"dma": "dma"}))[OUT:OUT + 8].tolist() == list(range(8))


def test_two_ports_meet_at_an_operator_through_a_fifo():
    circuit = Circuit()
    _read(circuit)
    _read(circuit, PORT + 1, B)
    _write(circuit)
    route(circuit, 1, {"w": "dma"})
    route(circuit, 0, {"op0_a": "dma", "op1_a": "op0", "fifo1": "e", "op1_b": "fifo1",
                       "dma": "op1"})
    add = OPERATIONS.index("add")
    circuit.set(0, "fifo", {"mode1": FIFO_MODES.index("buffer"), "last1": 99})
    circuit.set(0, "op0", {"operation": add, "constant_enable": 1, "constant": 5})
    circuit.set(0, "op1", {"operation": add})
    assert _run(circuit)[OUT:OUT + 8].tolist() == [101 * value + 5 for value in range(8)]


def test_a_loop_of_constants_has_no_end():
    circuit = Circuit()
    _read(circuit)
    _read(circuit, PORT + 1, B, count=2)
    _write(circuit)
    route(circuit, 1, {"w": "dma"})
    route(circuit, 0, {"op0_a": "dma", "fifo0": "e", "op0_b": "fifo0", "dma": "op0"})
    circuit.set(0, "fifo", {"mode0": FIFO_MODES.index("loop"), "last0": 1})
    circuit.set(0, "op0", {"operation": OPERATIONS.index("add")})
    assert _run(circuit)[OUT:OUT + 4].tolist() == [0, 101, 2, 103]


def test_a_node_keeps_its_registers_from_step_to_step_but_starts_only_when_committed():
    second = Circuit()
    _read(second, address=B)
    _write(second)
    memory = _run(_copy({"dma": "dma"}), second)
    assert memory[OUT:OUT + 8].tolist() == [100 * value for value in range(8)]


def _mismatched():
    circuit = Circuit()
    _read(circuit, count=7)
    _write(circuit)
    route(circuit, 0, {"dma": "dma"})
    return circuit


def _without_stream():
    circuit = Circuit()
    _write(circuit)
    route(circuit, 0, {"dma": "mapper"})
    return circuit


def _endless(sinks):
    circuit = _copy({"fifo0": "dma", **sinks})
    circuit.set(0, "fifo", {"mode0": FIFO_MODES.index("loop"), "last0": 7})
    return circuit


def _stray_weights():
    circuit = _copy({"dma": "dma"})
    circuit.set(PORT, "weights", {"enable": 1, "base": A, "length": 4, "repeat": 1})
    return circuit


@pytest.mark.parametrize(("circuit", "message"), [
    (_copy({"n": "dma"}), "port 0: the write channel has no stream"),
    (_without_stream(), "port 0: the write channel has no stream"),
    (_copy({"dma": "op0", "op0_a": "mapper", "mapper": "op0"}),
     "tile 0: the circuit comes back to op0"),
    (_copy({"dma": "dma", "e": "dma"}), "tile 0: dma also feeds e, which takes nothing"),
    (_mismatched(), "port 0: write channel waits for 8 samples, 7 come"),
    (_copy({"dma": "dma"}, entries=2), "entry 1 of the read table was not written"),
    (_copy({"dma": "dma"}, entries=0), "0 entries and repeat 1"),
    (_copy({"dma": "dma"}, count=0), "loop counts must be at least 1"),
    (_copy({"dma": "dma"}, address=TINY.memory.size // 2 - 4), "read channel goes to sample"),
    (_endless({"dma": "fifo0"}), "port 0: the write channel has no stream"),
    (_endless({"mapper": "fifo0", "dma": "mapper"}), "an endless stream enters mapper"),
    (_stray_weights(), "port 0: nothing takes the weights"),
], ids=range(12))
def test_circuits_that_would_hang(circuit, message):
    with pytest.raises(FunctionalError, match=f"^step 0: .*{message}"):
        _run(circuit)


def test_a_read_channel_that_nobody_listens_to():
    circuit = Circuit()
    _read(circuit)
    with pytest.raises(FunctionalError, match="nothing takes what the read channel brings"):
        _run(circuit)


def test_a_step_that_writes_the_program():
    circuit = Circuit()
    _read(circuit)
    _write(circuit, address=0x800 + 4)
    route(circuit, 0, {"dma": "dma"})
    with pytest.raises(FunctionalError, match="port 0: write channel changes the program"):
        _run(circuit)


def test_mapper_segments_must_be_written_for_the_step():
    circuit = _copy({"mapper": "dma", "dma": "mapper"})
    circuit.set(0, "mapper", {"low": 0, "high": 100, "segment_shift": 1})
    circuit.set(0, "mapper_table", [0, 5, 0, 6])
    with pytest.raises(FunctionalError, match="mapper uses a segment that was not written"):
        _run(circuit)


def test_mapper_input_must_not_lie_before_its_origin():
    circuit = _copy({"mapper": "dma", "dma": "mapper"})
    circuit.set(0, "mapper", {"low": 0, "high": 100, "origin": 1, "segment_shift": 8})
    circuit.set(0, "mapper_table", [0, 5])
    with pytest.raises(FunctionalError, match="mapper input lies before the origin"):
        _run(circuit)
