"""Every unit with streams: 10^5 words under random stalls, on the generated Verilog."""

from itertools import cycle
from random import Random

import pytest
from amaranth.hdl import Module, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from formal._routed import RoutedRouter
from hdl.fifo_bank import FifoBank
from hdl.mapper import Mapper
from hdl.registers import FIFO_MODES, OPERATIONS, SINKS, SOURCES, tile_units
from hdl.requantise import Requantise
from hdl.stream import Fork, SkidBuffer, StreamFifo
from hdl.target import get_target
from tests.golden import arithmetic as golden
from tests.hdl.operator_pair import OperatorPair
from tests.rtl.stream_bench import StreamBench

pytestmark = pytest.mark.rtl

BEATS = 100_000
TARGET = get_target("tiny")

#: Stalls before inputs and outputs, and whether receivers wait for valid.
STALLS = [(0.0, 0.0, False), (0.5, 0.2, True), (0.2, 0.6, False)]


class Units(wiring.Component):
    """Units side by side, by name, so that one build serves all tests."""

    def __init__(self, **units):
        self.units = units
        super().__init__({name: Out(unit.signature) for name, unit in units.items()})

    def elaborate(self, platform):
        m = Module()
        for name, unit in self.units.items():
            m.submodules[name] = unit
            # Port by port: wiring.flipped cannot flip arrays of streams.
            outside = unit.signature.flatten(getattr(self, name))
            for (_, member, outer), (_, _, inner) in zip(
                    outside, unit.signature.flatten(unit), strict=True):
                m.d.comb += inner.eq(outer) if member.flow == In else outer.eq(inner)
        return m


@pytest.fixture(scope="module")
def bench():
    return StreamBench(Units(
        skid=SkidBuffer(signed(16)),
        fork=Fork(signed(16), 3),
        fifo=StreamFifo(signed(16), 16),
        requantise=Requantise(36),
        operator=OperatorPair(),
        bank=FifoBank(TARGET),
        mapper=Mapper(TARGET),
        router=RoutedRouter(dict.fromkeys(SINKS, SOURCES)),
    ))


def random_words(count, seed, bits=16):
    rng = Random(seed)
    return [rng.randrange(-1 << bits - 1, 1 << bits - 1) for _ in range(count)]


def encode(unit, values):
    """Return the bits of a unit's registers."""
    layout = tile_units(TARGET, convolver=False)[unit].layout
    return layout.const(values).as_value().value


def run(bench, inputs, outputs, stalls, seed=1):
    """Send and receive lists of words by stream; words and numbers of words must agree."""
    stall_in, stall_out, shy = stalls
    for name, words in inputs.items():
        bench.send(name, words, stall_in)
    for name, words in outputs.items():
        bench.receive(name, len(words), stall_out, shy)
    got = bench.run(seed, cycles=20 * BEATS)
    print(f"seed {seed}")
    for name, words in outputs.items():
        assert got[name] == words, name


@pytest.mark.parametrize("stalls", STALLS)
@pytest.mark.parametrize("name", ["skid", "fifo"])
def test_buffers(bench, name, stalls):
    words = random_words(BEATS, 1)
    run(bench, {f"{name}.i": words}, {f"{name}.o": words}, stalls)


@pytest.mark.parametrize("stalls", STALLS)
def test_fork(bench, stalls):
    words = random_words(BEATS, 2)
    bench.set("fork.enable", 0b111)
    run(bench, {"fork.i": words}, {f"fork.o.{index}": words for index in range(3)}, stalls)


@pytest.mark.parametrize("stalls", STALLS)
def test_requantise(bench, stalls):
    rng = Random(3)
    pairs = []
    for _ in range(BEATS):
        wide = 1 << rng.randrange(1, 36)
        pairs.append((rng.randrange(-wide, wide), rng.randrange(36)))
    run(bench,
        {"requantise.i": [shift << 36 | value & (1 << 36) - 1 for value, shift in pairs]},
        {"requantise.o": [golden.requantise(*pair) for pair in pairs]}, stalls)


@pytest.mark.parametrize("operation, stalls", list(zip(OPERATIONS, cycle(STALLS), strict=False)))
def test_operator(bench, operation, stalls):
    rng = Random(OPERATIONS.index(operation))
    config = {"operation": operation, "constant_enable": 0, "constant": 321, "shift_a": 3,
              "shift_b": 5, "shift": {"reduce_sum": 10}.get(operation, 7), "count": 9,
              "width": 0, "height": 0, "step_x": 1, "step_y": 1}
    a, b = [], []
    for words in (a, b):
        for _ in range(BEATS):
            wide = 1 << rng.randrange(1, 16)
            words.append(rng.randrange(-wide, wide))
    bench.set("operator.config", encode("op0", config | {"operation": OPERATIONS.index(operation)}))
    bench.pulse("operator.start")
    inputs = {"operator.a": a}
    if not operation.startswith("reduce_"):
        inputs["operator.b"] = b
    run(bench, inputs,
        {"operator.o": [golden.saturate(word) for word in golden.operate(config, a, b)]}, stalls)


@pytest.mark.parametrize("stalls", STALLS)
def test_decimator(bench, stalls):
    words = random_words(BEATS, 4)
    bench.set("operator.config", encode("op0", {
        "constant_enable": 1, "width": 101, "height": 33, "step_x": 3, "step_y": 2}))
    bench.pulse("operator.start")
    run(bench, {"operator.a": words}, {"operator.o": golden.decimate(words, 101, 33, 3, 2)}, stalls)


@pytest.mark.parametrize("stalls", STALLS)
def test_mapper(bench, stalls):
    rng = Random(5)
    table = [(rng.randrange(-300, 300), rng.randrange(-32768, 32768),
              rng.randrange(-1 << 26, 1 << 26)) for _ in range(TARGET.segments)]
    config = {"low": -30000, "high": 31000, "origin": -32000, "logarithmic": 0,
              "segment_shift": 8, "square_shift": 4, "shift": 12}
    words = random_words(BEATS, 6)
    bench.set("mapper.table.en", 1)
    for address, word in enumerate(
            word for a, b, c in table for word in ((b & 0xFFFF) << 16 | a & 0xFFFF, c)):
        bench.set("mapper.table.addr", address)
        bench.set("mapper.table.data", word)
        bench.tick()
    bench.set("mapper.table.en", 0)
    bench.set("mapper.config", encode("mapper", config))
    bench.pulse("mapper.start")
    run(bench, {"mapper.i": words},
        {"mapper.o": [golden.saturate(golden.mapper(word, config, table)) for word in words]},
        stalls)


@pytest.mark.parametrize("mode, stalls", [*zip(FIFO_MODES[1:], STALLS, strict=True),
                                           ("buffer", STALLS[2])])
def test_fifo_bank(bench, mode, stalls):
    words = [random_words(BEATS, index) for index in range(2)]
    length, times = 200, BEATS // 200
    expected = {"buffer": words, "delay": [[0] * length + samples for samples in words],
                "loop": [samples[:length] * times for samples in words]}[mode]
    values = {}
    for index in range(2):
        values |= {f"mode{index}": FIFO_MODES.index(mode), f"last{index}": length - 1,
                   f"count{index}": times if mode == "loop" else length}
    bench.set("bank.config", encode("fifo", values))
    bench.pulse("bank.start")
    taken = length if mode == "loop" else BEATS
    run(bench, {f"bank.i.{index}": samples[:taken] for index, samples in enumerate(words)},
        {f"bank.o.{index}": samples for index, samples in enumerate(expected)}, stalls)


@pytest.mark.parametrize("stalls", STALLS)
def test_router(bench, stalls):
    rng = Random(7)
    routes = dict(zip(SINKS, rng.choices(SOURCES, k=len(SINKS)), strict=True))
    print(routes)
    code = sum(SOURCES.index(source) + 1 << 4 * index
               for index, source in enumerate(routes.values()))
    bench.set("router.config", code)
    bench.pulse("router.commit")
    words = {source: random_words(BEATS // 4, index)
             for index, source in enumerate(SOURCES) if source in routes.values()}
    run(bench, {f"router.i_{source}": samples for source, samples in words.items()},
        {f"router.o_{sink}": words[source] for sink, source in routes.items()}, stalls)


class Faulty(wiring.Component):
    """Passes words on, with a fault."""

    def __init__(self, fault):
        self.fault = fault
        super().__init__({"i": In(stream.Signature(signed(16))),
                          "o": Out(stream.Signature(signed(16)))})

    def elaborate(self, platform):
        m = Module()
        count = Signal(8)
        m.d.sync += count.eq(count + 1)
        m.d.comb += [self.o.payload.eq(self.i.payload), self.i.ready.eq(self.o.ready),
                     self.o.valid.eq(self.i.valid)]
        if self.fault == "waits":
            m.d.comb += self.o.valid.eq(self.i.valid & self.o.ready)
        elif self.fault == "withdraws":
            m.d.comb += [self.o.valid.eq(self.i.valid & count[3]),
                         self.i.ready.eq(self.o.ready & count[3])]
        elif self.fault == "alters":
            m.d.comb += self.o.payload.eq(self.i.payload ^ count[7])
        elif self.fault == "loses":
            refused = Signal()
            m.d.sync += refused.eq(self.o.valid & ~self.o.ready)
            with m.If((count == 77) & ~refused):
                m.d.comb += [self.i.ready.eq(1), self.o.valid.eq(0)]
        return m


@pytest.fixture(scope="module")
def faulty_bench():
    return StreamBench(Units(**{fault: Faulty(fault) for fault in FAULTS}))


FAULTS = {
    "waits": "valid depends on ready",
    "withdraws": "offer withdrawn or changed at withdraws.o",
    "alters": "offer withdrawn or changed at alters.o",
    "loses": "still running after 3000 cycles",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_bench_finds(faulty_bench, fault):
    words = random_words(1000, 8)
    faulty_bench.send(f"{fault}.i", words, 0.2)
    faulty_bench.receive(f"{fault}.o", len(words), 0.3)
    with pytest.raises(AssertionError, match=FAULTS[fault]):
        faulty_bench.run(1, cycles=3000)
