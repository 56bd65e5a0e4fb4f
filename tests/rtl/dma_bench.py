"""Bench of a DMA port and the interconnect on generated Verilog, against cocotbext-axi's AxiRam.

The environment gives `DMA_TARGET` (a target's name), `DMA_WIDTH` (bits of the bus), `DMA_SAMPLES`
(samples that each channel moves at least) and `DMA_STALL` (probability of a pause, in percent).
"""

import dataclasses
import logging
import os
from random import Random

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge
from cocotbext.axi import AxiBus, AxiRam

from hdl.registers import dma_units
from hdl.target import get_target
from tests.hdl.dma.axi_memory import loop_addresses
from tests.hdl.dma.test_read import expected_addresses, random_transfer, read_config
from tests.hdl.dma.test_weights import weights_config
from tests.hdl.dma.test_write import write_config

#: Samples of the memory; the upper half is written, the lower half read.
SIZE = 1 << 16


def bench_target():
    """Return the target that the environment describes."""
    target = get_target(os.environ["DMA_TARGET"])
    return dataclasses.replace(target, name="bench", data_width=int(os.environ["DMA_WIDTH"]))


def pauses(rng, stall):
    while True:
        yield rng.random() < stall


class Bench:
    def __init__(self, dut):
        self.dut, self.target = dut, bench_target()
        self.stall = int(os.environ["DMA_STALL"]) / 100
        self.rng = Random(cocotb.RANDOM_SEED)
        self.units = dma_units(self.target, convolver=True)
        self.ram = AxiRam(AxiBus.from_prefix(dut, "m_axi"), dut.clk, dut.rst, size=2 * SIZE)
        for side in (self.ram.read_if, self.ram.write_if):
            side.log.setLevel(logging.WARNING)  # else a line a burst
        for channel in (self.ram.read_if.ar_channel, self.ram.read_if.r_channel,
                        self.ram.write_if.aw_channel, self.ram.write_if.w_channel,
                        self.ram.write_if.b_channel):
            channel.set_pause_generator(pauses(Random(self.rng.random()), self.stall))
        self.memory = np.random.default_rng(self.rng.getrandbits(32)).integers(
            -1 << 15, 1 << 15, SIZE, dtype=np.int16)
        self.ram.write(0, self.memory.tobytes())

    async def reset(self):
        dut = self.dut
        Clock(dut.clk, 10, unit="ns").start()
        for name in ("start", "abort", "o__ready", "weights__ready", "i__valid", "i__payload",
                     "read_table__en", "read_table__addr", "read_table__data", "read_config",
                     "write_config", "weights_config"):
            getattr(dut, name).value = 0
        dut.rst.value = 1
        for _ in range(3):
            await RisingEdge(dut.clk)
        dut.rst.value = 0
        await RisingEdge(dut.clk)

    def config(self, unit, values):
        return self.units[unit].layout.const(values).as_value().value

    async def fill(self, bases):
        for entry, base in enumerate(bases):
            self.dut.read_table__en.value = 1
            self.dut.read_table__addr.value = entry
            self.dut.read_table__data.value = base
            await RisingEdge(self.dut.clk)
        self.dut.read_table__en.value = 0

    async def start(self, read, write, weights):
        self.dut.read_config.value = self.config("read", read)
        self.dut.write_config.value = self.config("write", write)
        self.dut.weights_config.value = self.config("weights", weights)
        self.dut.start.value = 1
        await RisingEdge(self.dut.clk)
        self.dut.start.value = 0

    async def receive(self, name, count):
        """Return ``count`` samples of an output."""
        valid = getattr(self.dut, f"{name}__valid")
        ready, payload = getattr(self.dut, f"{name}__ready"), getattr(self.dut, f"{name}__payload")
        rng, got, refused = Random(self.rng.random()), [], None
        while len(got) < count:
            takes = rng.random() >= self.stall
            ready.value = takes
            # Between two edges all values are settled.
            await FallingEdge(self.dut.clk)
            if int(valid.value):
                word = payload.value.to_unsigned()
                assert refused in (None, word), "the offer changed"
                refused = None if takes else word
                if takes:
                    got.append(word)
            else:
                assert refused is None, "the offer was withdrawn"
            await RisingEdge(self.dut.clk)
        ready.value = 0
        return np.array(got, dtype=np.uint16).view(np.int16)

    async def send(self, words):
        rng = Random(self.rng.random())
        for word in words.view(np.uint16).tolist():
            while rng.random() < self.stall:
                await RisingEdge(self.dut.clk)
            self.dut.i__valid.value, self.dut.i__payload.value = 1, word
            taken = False
            while not taken:
                await FallingEdge(self.dut.clk)
                taken = int(self.dut.i__ready.value)
                await RisingEdge(self.dut.clk)
            self.dut.i__valid.value = 0

    async def idle(self):
        await FallingEdge(self.dut.clk)
        while int(self.dut.busy.value):
            await FallingEdge(self.dut.clk)
        assert not int(self.dut.error.value)
        await RisingEdge(self.dut.clk)


def within(addresses, low, high):
    return low <= min(addresses) and max(addresses) < high


def transfers(rng):
    """Return a read, a write and a weights transfer in their parts of the memory."""
    while True:
        read, write = (random_transfer(rng, SIZE // 2, limit=3000) for _ in range(2))
        write = (rng.randrange(SIZE // 2, SIZE), *write[1:3])
        if (within(expected_addresses(*read), 0, SIZE // 2)
                and within(loop_addresses(*write), SIZE // 2, SIZE)):
            break
    length = rng.choice((1, 5, rng.randrange(1, 1000)))
    return read, write, (rng.randrange(SIZE // 2 - length), length, rng.choice((1, 2)))


@cocotb.test()
async def all_channels_match_indexing(dut):
    bench, wanted = Bench(dut), int(os.environ["DMA_SAMPLES"])
    await bench.reset()
    moved = {"read": 0, "write": 0, "weights": 0}
    while min(moved.values()) < wanted:
        read, write, weights = transfers(bench.rng)
        sources, places = expected_addresses(*read), loop_addresses(*write)
        base, length, repeat = weights
        piece = np.tile(bench.memory[base:base + length], repeat)
        words = np.random.default_rng(bench.rng.getrandbits(32)).integers(
            -1 << 15, 1 << 15, len(places), dtype=np.int16)

        await bench.fill(read[0])
        await bench.start(read_config(*read), write_config(*write), weights_config(*weights))
        sending = cocotb.start_soon(bench.send(words))
        weighing = cocotb.start_soon(bench.receive("weights", len(piece)))
        assert (await bench.receive("o", len(sources)) == bench.memory[sources]).all(), read
        assert (await weighing == piece).all(), weights
        await sending
        await bench.idle()

        bench.memory[places] = words
        if len(set(places)) < len(places):
            # NumPy does not say which of several values for one place it keeps.
            for place, word in zip(places, words, strict=True):
                bench.memory[place] = word
        found = np.frombuffer(bench.ram.read(0, 2 * SIZE), dtype=np.int16)
        assert (found == bench.memory).all(), write
        for name, count in (("read", len(sources)), ("write", len(places)),
                            ("weights", len(piece))):
            moved[name] += count
    dut._log.info("samples moved: %s", moved)


@cocotb.test()
async def abort_leaves_a_clean_port(dut):
    bench = Bench(dut)
    await bench.reset()
    for _ in range(10):
        # Rows longer than anything the port could finish before the abort.
        await bench.fill([0])
        await bench.start(read_config([0], [16000, 1, 1, 1], [2, 0, 0, 0]),
                          write_config(SIZE // 2, [16000, 1, 1, 1], [1, 0, 0, 0]),
                          weights_config(0, 30000, 1))
        sending = cocotb.start_soon(bench.send(np.zeros(16000, dtype=np.int16)))
        await bench.receive("o", bench.rng.randrange(1, 200))
        dut.abort.value = 1
        await RisingEdge(dut.clk)
        dut.abort.value = 0
        sending.cancel()
        dut.i__valid.value = 0
        await bench.idle()
        bench.memory[SIZE // 2:] = np.frombuffer(
            bench.ram.read(SIZE, SIZE), dtype=np.int16)

        await bench.fill([100])
        await bench.start(read_config([100], [50, 2, 1, 1], [1, 7, 0, 0]),
                          write_config(SIZE // 2 + 5, [30, 1, 1, 1], [3, 0, 0, 0]),
                          weights_config(9, 40, 1))
        words = np.arange(30, dtype=np.int16)
        sending = cocotb.start_soon(bench.send(words))
        got = await bench.receive("o", 100)
        assert (got == bench.memory[loop_addresses(100, [50, 2], [1, 7])]).all()
        assert (await bench.receive("weights", 40) == bench.memory[9:49]).all()
        await sending
        await bench.idle()
        bench.memory[loop_addresses(SIZE // 2 + 5, [30], [3])] = words
        found = np.frombuffer(bench.ram.read(0, 2 * SIZE), dtype=np.int16)
        assert (found == bench.memory).all()
