# amaranth: UnusedElaboratable=no
from random import Random

import pytest

from formal._routed import RoutedRouter
from hdl.registers import NO_SOURCE, SINKS, SOURCES
from hdl.router import Router
from hdl.routes import tile_choices, tile_ports
from hdl.target import get_target
from sim.streams import holds_offer, pulse, receive, send, silent, simulate


def code(source):
    return SOURCES.index(source) + 1


async def configure(ctx, dut, routes):
    """Connect sinks to sources, as a dict; values that are not names go in as they are."""
    values = [NO_SOURCE] * len(SINKS)
    for sink, source in routes.items():
        values[SINKS.index(sink)] = code(source) if isinstance(source, str) else source
    ctx.set(dut.config, {"source": values})
    await pulse(ctx, dut.commit)


def every(sources, sinks):
    """Return choices: each sink can take every source."""
    return dict.fromkeys(sinks, sources)


def check_routes(choices, routes, stall=0.0, shy=False, count=120, cycles=10_000):
    """Send words into every used source, expect them at the sinks and nothing elsewhere."""
    dut = RoutedRouter(choices)
    words = {source: [Random(index).randrange(-32768, 32768) for _ in range(count)]
             for index, source in enumerate(SOURCES)}

    def feed(source):
        async def bench(ctx):
            await ctx.tick()
            await send(ctx, getattr(dut, f"i_{source}"), words[source], rng=Random(1),
                       stall=stall)
        return bench

    def drain(sink, source):
        async def bench(ctx):
            rng = Random(SINKS.index(sink))
            port = getattr(dut, f"o_{sink}")
            got = await receive(ctx, port, count, rng=rng, stall=stall, shy=shy)
            assert got == words[source], f"{source} to {sink}"
        return bench

    async def setup(ctx):
        await configure(ctx, dut, routes)

    real = {sink: source for sink, source in routes.items()
            if source in choices.get(sink, ())}
    benches = [feed(source) for source in set(real.values())]
    benches += [drain(sink, source) for sink, source in real.items()]
    checks = [(holds_offer if sink in real else silent)(getattr(dut, f"o_{sink}"))
              for sink in dut.sinks]
    simulate(dut, setup, *benches, checks=checks, cycles=cycles)


@pytest.mark.parametrize("seed", range(3))
def test_random_routes_under_stalls(seed):
    rng = Random(seed)
    routes = {sink: rng.choice(SOURCES) for sink in SINKS if rng.random() < 0.8}
    print(f"seed {seed}: {routes}")
    check_routes(every(SOURCES, SINKS), routes, stall=rng.choice([0, 0.3, 0.5]), shy=seed % 2 == 1,
                 count=60)


def test_every_pair_of_source_and_sink():
    for turn in range(len(SOURCES)):
        routes = {sink: SOURCES[(index + turn) % len(SOURCES)] for index, sink in enumerate(SINKS)}
        check_routes(every(SOURCES, SINKS), routes, count=6)


@pytest.mark.parametrize("convolver, dma", [(True, True), (False, True), (False, False)])
def test_every_pair_of_a_tile(convolver, dma):
    choices = tile_choices(get_target("virtex6-lx240t"), convolver=convolver, dma=dma)
    for turn in range(max(map(len, choices.values()))):
        check_routes(choices, {sink: sources[(index + turn) % len(sources)] for index,
                               (sink, sources) in enumerate(choices.items())}, count=6)


def test_one_word_a_cycle_to_several_sinks():
    check_routes(every(("dma", "op0"), ("e", "s", "mapper", "op0_a")),
                 {"e": "dma", "s": "op0", "mapper": "dma", "op0_a": "dma"}, count=100,
                 cycles=100 + 5)


def test_a_source_that_the_sink_cannot_take_counts_as_none():
    check_routes({"e": ("op0",), "op0_a": ("e",), "mapper": ("e", "op0")},
                 {"e": "op0", "op0_a": "op0", "mapper": 15}, count=20)


def test_choices_of_a_tile():
    target = get_target("virtex6-lx240t")
    for convolver, dma in ((True, True), (False, True), (False, False)):
        sources, sinks = tile_ports(target, convolver=convolver, dma=dma)
        choices = tile_choices(target, convolver=convolver, dma=dma)
        assert tuple(choices) == sinks
        assert all(set(taken) <= set(sources) for taken in choices.values())
        # A step of the compiler's: from any neighbour through mapper and operator to memory.
        for link in "nesw":
            assert all(link in choices[sink] for sink in sinks if sink != link)
            assert link not in choices[link]
        assert {"mapper", "op0", "op1"} <= set(choices.get("dma", choices["n"]))
        # A multiplexer of four, eight or twelve inputs, one of which is the sink's own.
        assert all(len(taken) in (7, 10, 11) for taken in choices.values())
        assert all(any(source in taken for taken in choices.values()) for source in sources)


def test_commit_empties_sinks():
    dut = RoutedRouter(every(("dma", "op0"), ("n", "mapper", "op0_a")))

    async def bench(ctx):
        await configure(ctx, dut, {"n": "dma", "mapper": "dma", "op0_a": "dma"})
        ctx.set(dut.i_dma.valid, 1)
        ctx.set(dut.i_dma.payload, 5)
        ctx.set(dut.o_mapper.ready, 1)
        taken = 0
        for _ in range(6):  # op0_a has room for two words; the others get no more
            _, _, ready = await ctx.tick().sample(dut.i_dma.ready)
            taken += ready
        assert taken == 2
        ctx.set(dut.config, {"source": [NO_SOURCE] * len(SINKS)})
        await pulse(ctx, dut.commit)
        ports = (dut.o_n.valid, dut.o_mapper.valid, dut.o_op0_a.valid, dut.i_dma.ready)
        for _ in range(3):
            _, _, *busy = await ctx.tick().sample(*ports)
            assert not any(busy)
        await configure(ctx, dut, {"mapper": "dma"})
        _, _, *busy = await ctx.tick().sample(*ports)
        assert not any(busy)
        _, _, ready = await ctx.tick().sample(dut.i_dma.ready)
        _, _, valid, word = await ctx.tick().sample(dut.o_mapper.valid, dut.o_mapper.payload)
        assert ready and valid and word == 5

    simulate(dut, bench)


@pytest.mark.parametrize("choices, message", [
    ({"n": ("x",)}, "^unknown router source 'x'; sources are n, e, s, w, dma, "),
    ({"conv0": ("n",)}, "^unknown router sink 'conv0'; sinks are n, "),
    ({"e": ("n", "n")}, "^router sources must differ, not n, n$"),
    ({}, "^a router needs at least one sink$"),
    ({"e": ()}, "^router sink e is left without sources$"),
])
def test_rejects_names(choices, message):
    with pytest.raises(ValueError, match=message):
        Router(choices)
