# amaranth: UnusedElaboratable=no
from collections import Counter
from random import Random

import pytest

from hdl.dma.interconnect import Interconnect
from hdl.target import get_target
from sim.streams import simulate
from tests.hdl.dma.axi_memory import AxiMemory

SIZE = 1 << 14


def random_bursts(rng, beat_bytes, count, region, single=False):
    """Bursts (byte address, beats) inside 4 KiB pages of a region of the memory's bytes."""
    bursts = []
    for _ in range(count):
        beats = 1 if single else rng.choice((1, 2, 16, rng.randrange(1, 17)))
        page = rng.randrange(region[0] >> 12, region[1] >> 12) << 12
        start = rng.randrange(4096 // beat_bytes - beats + 1)
        bursts.append((page + start * beat_bytes, beats))
    return bursts


def word_at(memory, address):
    beat = memory.bytes_per_beat
    return int.from_bytes(memory.data[address:address + beat].tobytes(), "little")


async def ask(ctx, port, bursts, rng, stall):
    """Offer addresses."""
    for address, beats in bursts:
        while rng.random() < stall:
            await ctx.tick()
        ctx.set(port.payload, {"address": address, "length": beats - 1})
        ctx.set(port.valid, 1)
        taken = False
        while not taken:
            _, _, taken = await ctx.tick().sample(port.ready)
        ctx.set(port.valid, 0)


def reader(dut, index, memory, bursts, stall=0.0):
    """Benches of a read master: requests, and what comes back."""
    port = dut.readers[index]

    async def request(ctx):
        await ask(ctx, port.ar, bursts, Random(index), stall)

    async def check(ctx):
        for address, beats in bursts:
            for beat in range(beats):
                valid = False
                while not valid:
                    _, _, valid, word, last, response = await ctx.tick().sample(
                        port.r.valid, port.r.payload.data, port.r.payload.last,
                        port.r.payload.response)
                assert word == word_at(memory, address + beat * memory.bytes_per_beat)
                assert last == (beat == beats - 1)
                assert response == (2 if address + beat * memory.bytes_per_beat
                                    in memory.errors else 0)

    return request, check


def writer(dut, index, memory, bursts, stall=0.0):
    """Benches of a write master: requests, beats and responses; data are the master's number."""
    port, beat_bytes = dut.writers[index], memory.bytes_per_beat

    async def request(ctx):
        await ask(ctx, port.aw, bursts, Random(index), stall)

    async def beats(ctx):
        beat = {"data": int.from_bytes(bytes([index + 1] * beat_bytes), "little"),
                "strobe": (1 << beat_bytes // 2) - 1}
        left = sum(count for _, count in bursts)
        while left:
            _, _, taken = await ctx.tick().sample(port.take)
            ctx.set(port.w, beat if taken else {"data": 0, "strobe": 0})
            left -= taken
        await ctx.tick()
        ctx.set(port.w, {"data": 0, "strobe": 0})

    async def responses(ctx):
        count = 0
        while count < len(bursts):
            _, _, valid, response = await ctx.tick().sample(port.b.valid, port.b.payload)
            count += valid
            assert not valid or response == 0

    return request, beats, responses


@pytest.mark.parametrize("name", ["tiny", "virtex6-lx240t"])
@pytest.mark.parametrize(("latency", "stall"), [((1, 1), 0.0), ((1, 80), 0.3)])
def test_every_master_gets_its_own(name, latency, stall):
    target, rng = get_target(name), Random(f"{name}{stall}")
    memory = AxiMemory(target.data_width, rng, SIZE, latency, stall, errors=[0])
    dut = Interconnect(target, 5, 3)
    beat_bytes, half = memory.bytes_per_beat, SIZE
    benches, expected = [], memory.data.copy()
    for index in range(5):
        bursts = random_bursts(rng, beat_bytes, 25, (0, half))
        bursts.append((0, 2))
        benches += reader(dut, index, memory, bursts, stall)
    for index in range(3):
        # Each writer has pages of its own.
        region = (half + 4096 * index, half + 4096 * (index + 1))
        bursts = random_bursts(rng, beat_bytes, 25, region)
        for address, beats in bursts:
            expected[address:address + beats * beat_bytes] = index + 1
        benches += writer(dut, index, memory, bursts, stall)
    simulate(dut, *benches, checks=memory.processes(reads=[dut.m_axi], writes=[dut.m_axi]),
             cycles=8000)
    assert (memory.data == expected).all()
    assert {master for master, *_ in memory.reads} == set(range(5))
    assert {master for master, *_ in memory.writes} == set(range(3))


@pytest.mark.parametrize(("masters", "single"), [(1, False), (4, False), (4, True), (1, True)])
def test_beat_a_cycle(masters, single):
    target, rng = get_target("tiny"), Random(1)
    memory = AxiMemory(target.data_width, rng, SIZE, latency=(10, 10))
    dut = Interconnect(target, masters, masters)
    benches, read, written = [], 0, 0
    for index in range(masters):
        for kind in (reader, writer):
            bursts = random_bursts(rng, 8, (800 if single else 96) // masters, (0, SIZE), single)
            if kind is reader:
                # Data under the writers' feet are not compared.
                read += sum(beats for _, beats in bursts)
                benches += [reader(dut, index, memory, bursts)[0]]
            else:
                written += sum(beats for _, beats in bursts)
                benches += writer(dut, index, memory, bursts)

    async def finish(ctx):
        while memory.beats_read < read or memory.beats_written < written:
            await ctx.tick()

    simulate(dut, *benches, finish,
             checks=memory.processes(reads=[dut.m_axi], writes=[dut.m_axi]),
             cycles=max(read, written) + 60)


@pytest.mark.parametrize(("length", "urgent", "least", "most"), [
    (1, False, 390, 400), (1, True, 22, 27), (16, True, 16, 48), (16, False, 380, 400)])
def test_writes_wait_for_urgent_reads(length, urgent, least, most):
    target, rng = get_target("tiny"), Random(1)
    memory = AxiMemory(target.data_width, rng, SIZE, latency=(5, 5))
    dut = Interconnect(target, 3, 2)
    benches = [bench for index in range(2)
               for bench in writer(dut, index, memory, [(4096 * index, length)] * 2000)]

    async def count(ctx):
        ctx.set(dut.readers[1].urgent, urgent)
        for _ in range(100):
            await ctx.tick()
        before = memory.beats_written
        for _ in range(400):
            await ctx.tick()
        assert least <= memory.beats_written - before <= most

    simulate(dut, count, checks=[*memory.processes(writes=[dut.m_axi]), *benches])


def test_masters_share_evenly():
    target, rng = get_target("tiny"), Random(1)
    memory = AxiMemory(target.data_width, rng, SIZE, latency=(5, 5))
    dut = Interconnect(target, 6, 4)
    # All of them ask for single beats all the time, but the last reader, which asks seldom: the
    # address channels are what they share.
    benches = []
    for index in range(6):
        bursts = random_bursts(rng, 8, 200, (0, SIZE), single=True)
        benches.append(reader(dut, index, memory, bursts, stall=0.9 * (index == 5))[0])
    for index in range(4):
        bursts = random_bursts(rng, 8, 200, (0, SIZE), single=True)
        benches += writer(dut, index, memory, bursts)

    async def watch(ctx):
        while len(memory.reads) < 300 or len(memory.writes) < 300:
            await ctx.tick()
        for log, busy in ((memory.reads[50:300], 5), (memory.writes[50:300], 4)):
            masters = [master for master, *_ in log]
            for index in range(busy):
                turns = [n for n, master in enumerate(masters) if master == index]
                # Between two bursts of a master each other one has one at most.
                assert max(b - a for a, b in zip(turns, turns[1:], strict=False)) <= busy + 1
            counts = Counter(master for master in masters if master < busy)
            assert max(counts.values()) - min(counts.values()) <= 1

    simulate(dut, watch, checks=[*memory.processes(reads=[dut.m_axi], writes=[dut.m_axi]),
                                 *benches], cycles=12_000)


def test_constants_of_the_port():
    target = get_target("virtex6-lx240t")
    dut = Interconnect(target, 20, 13)
    assert dut.m_axi.arid.shape().width == 5

    async def bench(ctx):
        for channel in ("ar", "aw"):
            values = {name: ctx.get(getattr(dut.m_axi, channel + name))
                      for name in ("size", "burst", "lock", "cache", "prot")}
            assert values == {"size": 5, "burst": 1, "lock": 0, "cache": 3, "prot": 0}

    simulate(dut, bench)


def test_parameters_are_checked():
    with pytest.raises(ValueError, match="^readers must be at least 1, not 0$"):
        Interconnect(get_target("tiny"), 0, 1)
    with pytest.raises(ValueError, match="^writers must be at least 1, not 0$"):
        Interconnect(get_target("tiny"), 1, 0)
    with pytest.raises(TypeError):
        Interconnect(get_target("tiny"), 1.0, 1)
