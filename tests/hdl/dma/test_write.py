from random import Random

import pytest

from hdl.dma.write import WriteChannel
from hdl.target import get_target
from sim.streams import send, simulate
from tests.hdl.dma.axi_memory import AxiMemory, loop_addresses
from tests.hdl.dma.test_read import TARGETS, random_transfer, start


def write_config(base, counts, strides, enable=1):
    return {"enable": enable, "base": base, "count": counts, "stride": strides}


async def idle(ctx, dut):
    """Wait until the channel is no longer busy; return the cycles that took."""
    cycles = 0
    while ctx.get(dut.busy):
        await ctx.tick()
        cycles += 1
    return cycles


def write_samples(memory, addresses, words):
    """Return what the memory holds when ``words`` are written in order."""
    expected = memory.samples.copy()
    for address, word in zip(addresses, words, strict=True):
        expected[address % len(expected)] = word
    return expected


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("stalls", [(0.0, 0.0), (0.5, 0.0), (0.0, 0.4)])
@pytest.mark.parametrize("seed", range(3))
def test_random_transfers_match_indexing(name, stalls, seed):
    print(f"seed {seed}")
    target, rng = get_target(name), Random(f"{seed}{name}{stalls}")
    memory = AxiMemory(target.data_width, rng, latency=(1, 60), stall=stalls[1])
    dut = WriteChannel(target)

    async def bench(ctx):
        for _ in range(5):
            bases, counts, strides, _ = random_transfer(rng, len(memory.samples))
            addresses = loop_addresses(bases[0], counts, strides)
            words = [rng.randrange(-1 << 15, 1 << 15) for _ in addresses]
            expected = write_samples(memory, addresses, words)
            await start(ctx, dut, write_config(bases[0], counts, strides))
            await send(ctx, dut.i, words, rng=rng, stall=stalls[0])
            await idle(ctx, dut)
            assert memory.open_writes == 0
            assert (memory.samples == expected).all(), (bases, counts, strides)

    simulate(dut, bench, checks=memory.processes(writes=[dut.bus]), cycles=60_000)
