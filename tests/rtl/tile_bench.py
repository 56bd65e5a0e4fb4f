"""Two steps on a convolver tile: convolution with mapper and pooling, then pooling by line delay.

The registers of the second step are written while the first one runs.
"""

import os
from random import Random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from compiler.tables import make_table
from hdl.registers import FIFO_MODES, OPERATIONS, SINKS, SOURCES, tile_units
from hdl.target import TARGETS
from tests.golden import arithmetic as golden
from tests.hdl.convolver.golden import random_step

TARGET = TARGETS["tiny"]
UNITS = tile_units(TARGET, True)
SEED = int(os.environ.get("TILE_SEED", "1"))
STALL = float(os.environ.get("TILE_STALL", "0"))
ROWS, COLUMNS = 6, 10  # of the map that the second step pools


def routes(**sources):
    """Return the router's registers: the source of each sink."""
    values = [0] * len(SINKS)
    for sink, source in sources.items():
        values[SINKS.index(sink)] = SOURCES.index(source) + 1
    return {"source": values}


async def configure(dut, registers):
    """Write all words of some units to the tile's shadow."""
    for name, values in registers.items():
        for offset, word in enumerate(UNITS[name].encode(values)):
            dut.bus_i__valid.value = 1
            dut.bus_i__mask.value = 1
            dut.bus_i__unit.value = UNITS[name].number
            dut.bus_i__offset.value = offset
            dut.bus_i__data.value = word
            await RisingEdge(dut.clk)
    dut.bus_i__valid.value = 0
    for _ in range(3):
        await RisingEdge(dut.clk)


async def commit(dut):
    dut.commit.value = 1
    await RisingEdge(dut.clk)
    dut.commit.value = 0


async def send(dut, name, words, rng):
    valid, payload, ready = (getattr(dut, f"{name}__{part}") for part in
                             ("valid", "payload", "ready"))
    for word in words:
        while rng.random() < STALL:
            await RisingEdge(dut.clk)
        payload.value = word & 0xFFFF
        valid.value = 1
        await RisingEdge(dut.clk)
        while not ready.value:
            await RisingEdge(dut.clk)
        valid.value = 0


async def receive(dut, count, rng):
    words = []
    while len(words) < count:
        dut.o_dma__ready.value = rng.random() >= STALL
        await RisingEdge(dut.clk)
        if dut.o_dma__valid.value and dut.o_dma__ready.value:
            words.append(dut.o_dma__payload.value.to_signed())
    dut.o_dma__ready.value = 0
    return words


def convolution_step():
    """Return the golden step, its registers and what must come out."""
    seed = SEED
    while True:  # a step whose outputs are drained in windows of 2x2, by stream 0 alone
        step = random_step(TARGET, seed, lanes=1)
        if len(step.drain) == 4 and step.drain_first == (0, 0) and step.drain_lanes == (1, 0):
            break
        seed += 1000
    print("seed", seed, step.rows, step.columns, step.frame, step.data, step.out)
    step.lane_streams, step.drain_last = [0], (1, 0)
    table = make_table("tanh", 12, 12)
    mapper = {"low": table.low, "high": table.high, "origin": table.origin,
              "logarithmic": int(table.logarithmic), "segment_shift": table.segment_shift,
              "square_shift": table.square_shift, "shift": table.shift}
    words = [word for a, b, c in zip(table.a, table.b, table.c, strict=True)
             for word in ((b & 0xFFFF) << 16 | (a & 0xFFFF), c & 0xFFFFFFFF)]
    step.two = 0
    convolver, macs = step.registers()
    registers = {
        "router": routes(conv_a="dma", mapper="conv0", op0_a="mapper", dma="op0"),
        "convolver": convolver, "mac": macs, "mapper": mapper, "mapper_table": {"word": words},
        "op0": {"operation": OPERATIONS.index("reduce_max"), "count": 4}}
    entries = list(zip(table.a, table.b, table.c, strict=True))
    mapped = [golden.saturate(golden.mapper(word, mapper, entries))
              for word in step.outputs()[0]]
    wanted = [max(mapped[k:k + 4]) for k in range(0, len(mapped), 4)]
    return step, registers, wanted


def pooling_step(rng):
    """Return a map, the registers that pool it by a line delay, and what must come out."""
    samples = [rng.randrange(-32768, 32768) for _ in range(ROWS * COLUMNS)]
    half = COLUMNS // 2
    registers = {
        "router": routes(op0_a="dma", fifo0="op0", op1_a="op0", op1_b="fifo0", dma="op1"),
        "convolver": {"enable": 0},
        "op0": {"operation": OPERATIONS.index("reduce_max"), "count": 2},
        "op1": {"operation": OPERATIONS.index("max"), "width": half, "height": ROWS,
                "step_x": 1, "step_y": 2},
        "fifo": {"mode0": FIFO_MODES.index("delay"), "last0": half, "count0": half}}
    pairs = [max(samples[k:k + 2]) for k in range(0, len(samples), 2)]
    delayed = [0] * half + pairs
    both = [max(pair) for pair in zip(pairs, delayed, strict=False)]
    return samples, registers, golden.decimate(both, half, ROWS, 1, 2)


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def runs_two_steps(dut):
    Clock(dut.clk, 10, unit="ns").start()
    dut.rst.value = 1
    inputs = ["bus_i__valid", "commit", "o_dma__ready", "i_dma__valid", "weights__valid"]
    for link in "nesw":
        inputs += [f"i_{link}__valid", f"o_{link}__ready"]
    for name in inputs:
        getattr(dut, name).value = 0
    for _ in range(3):
        await RisingEdge(dut.clk)
    dut.rst.value = 0

    step, registers, wanted = convolution_step()
    samples, next_registers, next_wanted = pooling_step(Random(SEED))
    await configure(dut, registers)
    await commit(dut)
    cocotb.start_soon(send(dut, "i_dma", step.inputs()[0], Random(2)))
    cocotb.start_soon(send(dut, "weights", step.weights(), Random(3)))
    configuring = cocotb.start_soon(configure(dut, next_registers))
    assert await receive(dut, len(wanted), Random(4)) == wanted
    await configuring
    for _ in range(200):
        await RisingEdge(dut.clk)
        if not dut.busy.value:
            break
    assert not dut.busy.value, "the convolver is busy after its last output"

    await commit(dut)
    for _ in range(4):  # samples may come once the commit has passed its registers
        await RisingEdge(dut.clk)
    cocotb.start_soon(send(dut, "i_dma", samples, Random(5)))
    assert await receive(dut, len(next_wanted), Random(6)) == next_wanted
