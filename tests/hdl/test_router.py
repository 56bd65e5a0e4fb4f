# amaranth: UnusedElaboratable=no
from random import Random

import pytest

from hdl.registers import NO_SOURCE, SINKS, SOURCES
from hdl.router import Router
from sim.streams import holds_offer, pulse, receive, send, silent, simulate


def code(source):
    return SOURCES.index(source) + 1


async def configure(ctx, dut, routes):
    """Connect sinks to sources, as a dict; values that are not names go in as they are."""
    values = [NO_SOURCE] * len(SINKS)
    for sink, source in routes.items():
        values[SINKS.index(sink)] = code(source) if isinstance(source, str) else source
    ctx.set(dut.config, {"source": values})
    await pulse(ctx, dut.start)


def check_routes(sources, sinks, routes, stall=0.0, shy=False, count=120, cycles=10_000,
                 unconnected=()):
    """Send words into every used source, expect them at the sinks and nothing elsewhere."""
    dut = Router(sources, sinks, unconnected)
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

    real = {sink: source for sink, source in routes.items() if source in sources
            and (source, sink) not in unconnected}
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
    check_routes(SOURCES, SINKS, routes, stall=rng.choice([0, 0.3, 0.5]), shy=seed % 2 == 1,
                 count=60)


def test_every_pair_of_source_and_sink():
    for turn in range(len(SOURCES)):
        routes = {sink: SOURCES[(index + turn) % len(SOURCES)] for index, sink in enumerate(SINKS)}
        check_routes(SOURCES, SINKS, routes, count=6)


def test_one_word_a_cycle_to_several_sinks():
    check_routes(("dma", "op0"), ("e", "s", "mapper", "op0_a"),
                 {"e": "dma", "s": "op0", "mapper": "dma", "op0_a": "dma"}, count=100,
                 cycles=100 + 5)


def test_source_that_the_tile_lacks_counts_as_none():
    check_routes(("e", "op0"), ("e", "op0_a", "mapper"),
                 {"e": "op0", "op0_a": "n", "mapper": 15}, count=20)


def test_pairs_left_unconnected_count_as_none():
    check_routes(("e", "op0"), ("e", "op0_a", "mapper"),
                 {"e": "e", "op0_a": "op0", "mapper": "op0"}, count=20,
                 unconnected=[("e", "e"), ("op0", "op0_a")])


def test_rejects_a_sink_without_sources():
    with pytest.raises(ValueError, match="^router sink e is left without sources$"):
        Router(("n", "e"), ("n", "e"), [("n", "e"), ("e", "e")])


def test_start_empties_links_and_forgets_who_took_the_word():
    dut = Router(("dma", "op0"), ("n", "mapper", "op0_a"))

    async def bench(ctx):
        await configure(ctx, dut, {"n": "dma", "mapper": "dma", "op0_a": "dma"})
        ctx.set(dut.i_dma.valid, 1)
        ctx.set(dut.i_dma.payload, 5)
        ctx.set(dut.o_mapper.ready, 1)
        for _ in range(3):  # n and mapper have the word, op0_a refuses it
            _, _, ready = await ctx.tick().sample(dut.i_dma.ready)
            assert not ready
        ctx.set(dut.config, {"source": [NO_SOURCE] * len(SINKS)})
        ctx.set(dut.start, 1)
        ports = (dut.o_n.valid, dut.o_mapper.valid, dut.o_op0_a.valid, dut.i_dma.ready)
        _, _, *busy = await ctx.tick().sample(*ports)
        assert not any(busy)
        ctx.set(dut.start, 0)
        _, _, *busy = await ctx.tick().sample(*ports)
        assert not any(busy)
        await configure(ctx, dut, {"mapper": "dma"})
        _, _, valid, ready = await ctx.tick().sample(dut.o_mapper.valid, dut.i_dma.ready)
        assert valid and ready

    simulate(dut, bench)


@pytest.mark.parametrize("sources, sinks, message", [
    (("x",), ("n",), "^unknown router source 'x'; sources are n, e, s, w, dma, "),
    (("n",), ("conv0",), "^unknown router sink 'conv0'; sinks are n, "),
    (("n", "n"), ("e",), "^router sources must differ, not n, n$"),
    (("n",), (), "^a router needs at least one sink$"),
])
def test_rejects_names(sources, sinks, message):
    with pytest.raises(ValueError, match=message):
        Router(sources, sinks)
