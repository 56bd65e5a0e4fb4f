# amaranth: UnusedElaboratable=no
from random import Random

import pytest

from hdl.axi import SLVERR
from hdl.config_network import CLEAR_UNIT
from hdl.control.host_registers import ErrorCode
from hdl.control.loader import ConfigLoader
from hdl.control.packet_gate import PacketGate
from hdl.control.packet_rules import Limit, UnitRule, packet_rules
from hdl.control.word_reader import WordReader
from hdl.target import get_target
from sim.streams import holds_offer, simulate
from tests.hdl.control.packets import bus_words, packet, random_packet, seal, verdict

TINY, ECP5 = get_target("tiny"), get_target("ecp5-85k")


def memory(bus, width, words, *, rng, stall=0.0, latency=1, bad=None, dead=False, asked=None):
    """Answer the read master from ``words``; beats with the word at address ``bad`` fail."""
    async def serve(ctx):
        queue, size, now = [], width // 8, 0
        while True:
            accept = not dead and rng.random() >= stall
            ctx.set(bus.ar.ready, accept)
            give = queue and queue[0][0] <= now and rng.random() >= stall
            ctx.set(bus.r.valid, bool(give))
            if give:
                _, address, last = queue[0]
                base = address // size * size
                beat = [words.get(base + 4 * k, 0xDEAD) for k in range(size // 4)]
                ctx.set(bus.r.payload.data, sum(w << 32 * k for k, w in enumerate(beat)))
                ctx.set(bus.r.payload.last, last)
                failed = bad is not None and base <= bad < base + size
                ctx.set(bus.r.payload.response, SLVERR if failed else 0)
            _, _, valid, address, length = await ctx.tick().sample(
                bus.ar.valid, bus.ar.payload.address, bus.ar.payload.length)
            now += 1
            if give:
                queue.pop(0)
            if valid and accept:
                assert address % size == 0 and length < 16
                assert address // 4096 == (address + length * size) // 4096
                if asked is not None:
                    asked.append((address, length))
                queue += [(now + latency, address + k * size, k == length)
                          for k in range(length + 1)]
    return serve


def image(words, base):
    return {base + 4 * k: word for k, word in enumerate(words)}


async def settle(ctx, dut, limit=20_000):
    await ctx.tick()
    for _ in range(limit):
        if not ctx.get(dut.busy):
            return
        await ctx.tick()
    raise AssertionError("still busy")


async def load(ctx, dut, address, count):
    ctx.set(dut.address, address)
    ctx.set(dut.words, count)
    ctx.set(dut.start, 1)
    await ctx.tick()
    ctx.set(dut.start, 0)
    await settle(ctx, dut)


def record(bus, got):
    async def watch(ctx):
        async for _, _, valid, *word in ctx.tick().sample(
                bus.valid, bus.mask, bus.unit, bus.offset, bus.data):
            if valid:
                got.append(tuple(word))
    return watch


@pytest.mark.parametrize("width", [32, 64, 256, 512])
@pytest.mark.parametrize("stall", [0, 0.4])
def test_reader_gives_the_words_in_order(width, stall):
    dut, rng = WordReader(width), Random(width)
    words = {4 * k: rng.randrange(1 << 32) for k in range(4096)}

    async def bench(ctx):
        for base, count in ((0, 1), (4, 3), (60, 40), (4032, 33), (8, 400)):
            ctx.set(dut.address, base)
            ctx.set(dut.words, count)
            ctx.set(dut.start, 1)
            await ctx.tick()
            ctx.set(dut.start, 0)
            got = []
            while len(got) < count:
                ready = rng.random() >= stall
                ctx.set(dut.o.ready, ready)
                _, _, valid, word = await ctx.tick().sample(dut.o.valid, dut.o.payload)
                if valid and ready:
                    assert not word.failed
                    got.append(word.data)
            ctx.set(dut.o.ready, 0)
            assert got == [words[base + 4 * k] for k in range(count)]
            for _ in range(3):
                await ctx.tick()
            assert not ctx.get(dut.busy)

    simulate(dut, bench, checks=[
        holds_offer(dut.o), holds_offer(dut.bus.ar),
        memory(dut.bus, width, words, rng=Random(2), stall=stall, latency=9)])


def test_reader_hides_the_latency_of_memory():
    dut = WordReader(64)
    words = {4 * k: k for k in range(1024)}

    async def bench(ctx):
        ctx.set(dut.words, 600)
        ctx.set(dut.start, 1)
        ctx.set(dut.o.ready, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)
        cycles = 0
        while ctx.get(dut.busy):
            await ctx.tick()
            cycles += 1
        assert cycles < 600 + 20

    simulate(dut, bench, checks=[memory(dut.bus, 64, words, rng=Random(1), latency=12)])


@pytest.mark.parametrize("target", [TINY, ECP5], ids=lambda target: target.name)
@pytest.mark.parametrize("stall", [0, 0.4])
def test_loads_random_packets(target, stall):
    rng, got = Random(7), []
    dut = ConfigLoader(target)
    steps = [[random_packet(rng, target, number) for number in range(count)]
             for count in (1, 12, 3)]
    words = {}
    for index, step in enumerate(steps):
        words |= image([word for one in step for word in one], 4096 * index + 4 * index)

    async def bench(ctx):
        for index, step in enumerate(steps):
            got.clear()
            await load(ctx, dut, 4096 * index + 4 * index, sum(map(len, step)))
            assert ctx.get(dut.error) == ErrorCode.NONE
            assert got == [word for one in step for word in bus_words(one)]
        got.clear()
        ctx.set(dut.clear, 1)
        await ctx.tick()
        ctx.set(dut.clear, 0)
        await settle(ctx, dut)
        assert [word[:2] for word in got] == [((1 << target.nodes) - 1, CLEAR_UNIT)]
        got.clear()
        await load(ctx, dut, 0, 0)
        assert not got

    simulate(dut, bench, checks=[
        record(dut.bus, got),
        memory(dut.read, target.data_width, words, rng=Random(1), stall=stall, latency=20)])


def test_longest_packet_and_sequence_wrap():
    got = []
    dut = ConfigLoader(TINY)
    table = packet(1 << TINY.tiles, 1, 0, list(range(256)), 0)
    step = [table] + [packet(2, 0, 3, [number % 14], number) for number in range(1, 135)]
    flat = [word for one in step for word in one]

    async def bench(ctx):
        await load(ctx, dut, 64, len(flat))
        assert ctx.get(dut.error) == 0
        assert got == [word for one in step for word in bus_words(one)]

    simulate(dut, bench, checks=[
        record(dut.bus, got),
        memory(dut.read, 64, image(flat, 64), rng=Random(1), latency=4)])


def gate_run(cases, target=TINY, stall=0.0):
    """Run step after step through a gate: (packets, words announced) each; return what it said."""
    dut, got, results = PacketGate(packet_rules(target)), [], []
    rng = Random(11)

    async def bench(ctx):
        for words, count in cases:
            got.clear()
            ctx.set(dut.words, count)
            ctx.set(dut.start, 1)
            await ctx.tick()
            ctx.set(dut.start, 0)
            await ctx.tick()
            taken = 0
            while ctx.get(dut.busy):
                offer = taken < len(words) and rng.random() >= stall
                ctx.set(dut.i.valid, offer)
                if offer:
                    ctx.set(dut.i.payload.data, words[taken])
                _, _, ready = await ctx.tick().sample(dut.i.ready)
                taken += bool(ready and offer)
            ctx.set(dut.i.valid, 1)
            for _ in range(3):
                _, _, ready = await ctx.tick().sample(dut.i.ready)
                assert not ready, "nothing is taken after the end"
            ctx.set(dut.i.valid, 0)
            results.append((ctx.get(dut.error), ctx.get(dut.error_packet),
                            ctx.get(dut.error_word), list(got)))

    simulate(dut, bench, checks=[record(dut.bus, got)], cycles=100_000)
    return results


@pytest.mark.parametrize("stall", [0, 0.5])
def test_every_bit_flip_is_refused(stall):
    good = packet(1 << TINY.tiles, 0, 3, [5, 6], 0)
    rng = Random(5)
    cases = []
    for position in range(len(good)):
        for bit in range(32):
            words = list(good)
            words[position] ^= 1 << bit
            # More words follow, so that a longer packet can be read to its end.
            cases.append((words + [rng.randrange(1 << 32) for _ in range(12)], len(good) + 12))
    results = gate_run(cases, stall=stall)
    for (words, count), (code, number, where, got) in zip(cases, results, strict=True):
        assert code != ErrorCode.NONE
        assert (code, where) == verdict(TINY, words, 0, count)
        assert number == 0 and not got


def test_refusals_name_packet_and_word():
    first = packet(1, 0, 0, [14], 0)
    tiles, port = TINY.tiles, 1 << TINY.tiles
    bad = {
        "sequence": packet(1, 0, 0, [1], 2),
        "no node": packet(0, 0, 0, [1], 1),
        "unknown node": packet(1 << TINY.nodes, 0, 0, [1], 1),
        "node 31": packet(1 | 1 << 31, 0, 0, [1], 1),
        "tile and port": packet(1 | port, 0, 0, [1], 1),
        "no such unit": packet(1, 8, 0, [1], 1),
        "clear unit": packet(1, CLEAR_UNIT, 0, [0], 1),
        "no convolver there": packet(3, 6, 0, [1], 1),
        "no weights there": packet(2 << tiles, 3, 0, [1], 1),
        "offset": packet(1, 0, 16, [1], 1),
        "length": packet(1, 0, 15, [1, 1], 1),
        "far offset": packet(1, 0, 1023, [1, 1], 1),
        "value": packet(1, 0, 0, [1, 2, 15, 16], 1),
        "last value": packet(1, 0, 14, [1, 15], 1),
        "signed too high": packet(1, 1, 2, [0x8000], 1),
        "signed too low": packet(1, 1, 2, [0xFFFF7FFF], 1),
        "unsigned negative": packet(1, 0, 0, [0xFFFFFFFF], 1),
        "crc": packet(1, 0, 0, [1], 1)[:-1] + [0],
        "length 0": seal([0 | 1 << 25, 1]),
        "length 1025": packet(1, 0, 0, [0], 1, length=1025),
        "beyond the end": packet(1, 0, 0, [0], 1, length=2),
    }
    cases = [(first + words, len(first + words)) for words in bad.values()]
    legal = [packet(1, 1, 2, [0x7FFF], 1), packet(1, 1, 2, [0xFFFF8000], 1),
             packet(port, 0, 7, [0x80000000], 1)]
    cases += [(first + words, len(first + words)) for words in legal]
    results = gate_run(cases)
    for name, (words, count), result in zip(bad, cases, results, strict=False):
        code, number, where, got = result
        expected = verdict(TINY, words[len(first):], 1, count - len(first))
        assert expected[0] != ErrorCode.NONE, name
        assert (code, where, number) == (*expected, 1), name
        assert got == bus_words(first), name
    for words, result in zip(legal, results[len(bad):], strict=True):
        assert result[0] == ErrorCode.NONE
        assert result[3] == bus_words(first) + bus_words(words)


@pytest.mark.parametrize(("trouble", "position"), [({"bad": 64 + 4 * 6}, 2), ({"dead": True}, 0)])
def test_trouble_with_memory_stops_the_loader(trouble, position):
    dut, got = ConfigLoader(ECP5, patience=100), []
    first, second = packet(1, 0, 0, [14], 0), packet(1, 0, 0, [3, 4, 5], 1)

    async def bench(ctx):
        ctx.set(dut.address, 64)
        ctx.set(dut.words, len(first + second))
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)
        for _ in range(200):
            await ctx.tick()
        assert ctx.get(dut.error) == ErrorCode.LOADER_MEMORY
        assert ctx.get(dut.error_word) == position
        assert ctx.get(dut.error_packet) == (0 if "dead" in trouble else 1)
        assert got == ([] if "dead" in trouble else bus_words(first))
        assert ctx.get(dut.busy) == ("dead" in trouble)

    simulate(dut, bench, checks=[
        record(dut.bus, got), holds_offer(dut.read.ar),
        memory(dut.read, 32, image(first + second, 64), rng=Random(1), **trouble)])


@pytest.mark.parametrize("after", range(1, 60, 3))
def test_abort_ends_at_once_and_the_next_step_is_clean(after):
    dut, got = ConfigLoader(TINY), []
    step = [packet(1 << TINY.tiles, 1, 0, list(range(60)), 0)]
    other = [packet(1, 0, 0, [14, 3], 0)]

    async def bench(ctx):
        ctx.set(dut.words, sum(map(len, step)))
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)
        for _ in range(after):
            await ctx.tick()
        ctx.set(dut.abort, 1)
        await ctx.tick()
        ctx.set(dut.abort, 0)
        await settle(ctx, dut, 100)
        assert ctx.get(dut.error) == 0
        got.clear()
        await load(ctx, dut, 1024, sum(map(len, other)))
        assert got == bus_words(other[0]) and ctx.get(dut.error) == 0

    words = image(step[0], 0) | image(other[0], 1024)
    simulate(dut, bench, checks=[record(dut.bus, got), holds_offer(dut.read.ar),
                                 memory(dut.read, 64, words, rng=Random(1), latency=15)])


@pytest.mark.parametrize(("make", "message"), [
    (lambda: WordReader(48), r"^data_width must be a power of two of at least 32, not 48$"),
    (lambda: WordReader(32, patience=0), r"^patience must be at least 1 cycle, not 0$"),
    (lambda: PacketGate(packet_rules(TINY), depth=3),
     r"^depth must be a power of two in 2\.\.1024, not 3$"),
    (lambda: UnitRule(1, 3, (Limit(1), Limit(2))), r"^a unit of 3 words must have 1 or 3 limits"),
])
def test_parameters_are_checked(make, message):
    with pytest.raises(ValueError, match=message):
        make()
