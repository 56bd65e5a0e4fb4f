"""Cocotb bench of the on-chip memory: the master is cocotbext's, the model a bytearray.

The environment gives `MEMORY_SIZE` and `MEMORY_WIDTH` (bits).
"""

import itertools
import os
from random import Random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, Combine
from cocotbext.axi import AxiBurstType, AxiBus, AxiMaster, AxiResp

SIZE = int(os.environ.get("MEMORY_SIZE", "4096"))
BYTES = int(os.environ.get("MEMORY_WIDTH", "32")) // 8
_ACCESSES = 40


def pauses(seed, share):
    rng = Random(seed)
    return (rng.random() < share for _ in itertools.count())


async def connect(dut, share):
    """Return a master that pauses in ``share`` of the cycles, each channel by itself."""
    Clock(dut.clk, 10, unit="ns").start()
    dut.rst.value = 1
    master = AxiMaster(AxiBus.from_prefix(dut, "axi_"), dut.clk, dut.rst)
    channels = (master.write_if.aw_channel, master.write_if.w_channel, master.write_if.b_channel,
                master.read_if.ar_channel, master.read_if.r_channel)
    for seed, channel in enumerate(channels):
        channel.set_pause_generator(pauses(seed, share))
    await ClockCycles(dut.clk, 4)
    dut.rst.value = 0
    await ClockCycles(dut.clk, 4)
    return master


async def fill(master, rng):
    model = bytearray(rng.randbytes(SIZE))
    await master.write(0, bytes(model))
    return model


def span(rng, region):
    """Return a random address and length inside a region, single bytes among them."""
    start, end = region
    address = rng.randrange(start, end)
    return address, rng.randint(1, min(rng.choice((1, 4, 64, 1100)), end - address))


async def traffic(master, model, rng, region):
    """Read and write at random inside a region that nobody else touches."""
    for _ in range(_ACCESSES):
        address, length = span(rng, region)
        if rng.random() < 0.5:
            data = rng.randbytes(length)
            answer = await master.write(address, data)
            model[address:address + length] = data
            assert answer.resp == AxiResp.OKAY
        else:
            answer = await master.read(address, length)
            assert answer.resp == AxiResp.OKAY
            assert answer.data == bytes(model[address:address + length]), hex(address)


@cocotb.test(timeout_time=10, timeout_unit="ms")
@cocotb.parametrize(share=[0.0, 0.5])
async def equals_a_bytearray(dut, share):
    master, rng = await connect(dut, share), Random(1)
    model = await fill(master, rng)
    quarter = SIZE // 4
    # Four accesses at a time, reads among writes.
    await Combine(*(
        cocotb.start_soon(traffic(master, model, Random(seed),
                                  (seed * quarter, (seed + 1) * quarter)))
        for seed in range(4)))
    assert (await master.read(0, SIZE)).data == bytes(model)


@cocotb.test(timeout_time=10, timeout_unit="ms")
@cocotb.parametrize(share=[0.0, 0.4])
async def refuses_what_it_cannot_serve(dut, share):
    master, rng = await connect(dut, share), Random(2)
    model = await fill(master, rng)
    refused = [(SIZE, {}), (3 * SIZE + 64, {}), (1 << 31, {}), (0, {"burst": AxiBurstType.FIXED})]
    if BYTES > 1:
        refused.append((0, {"size": 0}))
    for address, how in refused:
        answer = await master.write(address, rng.randbytes(4 * BYTES), **how)
        assert answer.resp == AxiResp.SLVERR, (address, how)
        answer = await master.read(address, 4 * BYTES, **how)
        assert answer.resp == AxiResp.SLVERR, (address, how)
        assert answer.data == bytes(4 * BYTES)
    assert (await master.read(0, SIZE)).data == bytes(model)
