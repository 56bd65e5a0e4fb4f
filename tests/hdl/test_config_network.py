# amaranth: UnusedElaboratable=no
from random import Random

import pytest

from hdl.config_network import CLEAR_UNIT, ConfigNode
from hdl.registers import SINKS, SOURCES, Register, Unit, node_units
from hdl.routes import Routes
from hdl.target import TARGETS, get_target
from sim.streams import simulate

TINY = get_target("tiny")
#: Cycles from a word on the bus to its shadow register.
SHADOW = 3


async def write(ctx, node, mask, unit, offset, data):
    for name, value in (("valid", 1), ("mask", mask), ("unit", unit), ("offset", offset),
                        ("data", data)):
        ctx.set(getattr(node.bus_i, name), value)
    await ctx.tick()
    ctx.set(node.bus_i.valid, 0)


async def commit(ctx, node):
    ctx.set(node.commit, 1)
    await ctx.tick()
    ctx.set(node.commit, 0)
    starts = []
    for _ in range(4):
        starts.append(ctx.get(node.start))
        await ctx.tick()
    assert starts == [0, 1, 0, 0]


def legal(rng, register):
    return rng.randint(register.lowest, register.highest)


def expect_active(ctx, node, unit, values):
    port = getattr(node, unit.name)
    for register in unit.registers:
        value = values.get(register.name, 0 if register.count == 1 else [0] * register.count)
        field = getattr(port, register.name)
        got = (ctx.get(field) if register.count == 1
               else [ctx.get(field[index]) for index in range(register.count)])
        assert got == value, f"{unit.name}.{register.name}"


@pytest.mark.parametrize("number", [0, 1, 4, 5])
def test_registers_become_active_at_the_commit_only(number):
    rng = Random(number)
    units = node_units(TINY, number)
    node = ConfigNode(units.values())
    registers = [unit for unit in units.values() if not unit.memory]
    values = {unit.name: {
        register.name: legal(rng, register) if register.count == 1
        else [legal(rng, register) for _ in range(register.count)]
        for register in unit.registers} for unit in registers}

    async def bench(ctx):
        for unit in registers:
            for offset, word in enumerate(unit.encode(values[unit.name])):
                await write(ctx, node, 1, unit.number, offset, word)
        for _ in range(SHADOW):
            await ctx.tick()
        for unit in registers:
            expect_active(ctx, node, unit, {})
        await commit(ctx, node)
        for unit in registers:
            expect_active(ctx, node, unit, values[unit.name])
        # Nothing was written since: the same values again.
        await commit(ctx, node)
        for unit in registers:
            expect_active(ctx, node, unit, values[unit.name])
        await write(ctx, node, 1, CLEAR_UNIT, 0, 0)
        for _ in range(SHADOW):
            await ctx.tick()
        await commit(ctx, node)
        for unit in registers:
            expect_active(ctx, node, unit, {})

    simulate(node, bench)


def test_a_form_keeps_decoded_words():
    units = node_units(TINY, 2)
    choices = {"e": ("w", "op0"), "mapper": ("n", "op1")}
    node = ConfigNode(units.values(), {"router": Routes(choices)})

    async def bench(ctx):
        for sink, source in (("e", "op0"), ("mapper", "n"), ("w", "e")):
            await write(ctx, node, 1, units["router"].number, SINKS.index(sink),
                        SOURCES.index(source) + 1)
        for _ in range(SHADOW):
            await ctx.tick()
        await commit(ctx, node)
        assert ctx.get(node.router.e) == {"takes": 0b10, "place": 2}
        assert ctx.get(node.router.mapper) == {"takes": 0b01, "place": 1}
        # A source that the sink cannot take is none.
        await write(ctx, node, 1, units["router"].number, SINKS.index("e"), SOURCES.index("n") + 1)
        for _ in range(SHADOW):
            await ctx.tick()
        await commit(ctx, node)
        assert ctx.get(node.router.e) == {"takes": 0, "place": 0}

    simulate(node, bench)


def test_takes_only_words_with_its_bit_and_its_units():
    units = node_units(TINY, 4)
    node = ConfigNode(units.values())

    async def bench(ctx):
        await write(ctx, node, 0xFFFFFFFE, units["read"].number, 1, 5)
        await write(ctx, node, 1, 9, 1, 5)
        await write(ctx, node, 1, units["read"].number, units["read"].words, 5)
        for _ in range(SHADOW):
            await ctx.tick()
        await commit(ctx, node)
        for name in ("read", "write"):
            expect_active(ctx, node, units[name], {})

    simulate(node, bench)


def test_memory_words_come_out_of_the_write_port_once():
    units = node_units(TINY, 4)
    table = units["read_table"]
    node = ConfigNode(units.values())
    rng = Random(3)
    words = [(offset, rng.randrange(1 << 31)) for offset in rng.sample(range(table.words), 20)]
    got = []

    async def monitor(ctx):
        async for _, _, en, addr, data in ctx.tick().sample(
                node.read_table.en, node.read_table.addr, node.read_table.data):
            if en:
                got.append((addr, data))

    async def bench(ctx):
        for offset, word in words:
            await write(ctx, node, 0b101, table.number, offset, word)
            await write(ctx, node, 0b100, table.number, offset, 1)
            await write(ctx, node, 1, units["read"].number, 0, 1)
        for _ in range(SHADOW + 1):
            await ctx.tick()
        assert got == words

    simulate(node, bench, checks=[monitor])


def test_hop_takes_one_cycle_and_shifts_the_mask():
    node = ConfigNode(node_units(TINY, 0).values())
    rng = Random(4)
    words = [(rng.randrange(1 << 32), rng.randrange(15), rng.randrange(1 << 10),
              rng.randrange(1 << 32)) for _ in range(50)]

    async def bench(ctx):
        for mask, unit, offset, data in words:
            await write(ctx, node, mask, unit, offset, data)
            bus = node.bus_o
            assert ctx.get(bus.valid) == 1
            assert [ctx.get(x) for x in (bus.mask, bus.unit, bus.offset, bus.data)] \
                == [mask >> 1, unit, offset, data]
        await ctx.tick()
        assert ctx.get(node.bus_o.valid) == 0

    simulate(node, bench)


@pytest.mark.parametrize("name", TARGETS)
def test_no_unit_of_a_target_has_the_number_of_the_clear_word(name):
    target = TARGETS[name]
    for number in range(target.nodes):
        ConfigNode(node_units(target, number).values())


def test_refuses_what_is_no_unit():
    with pytest.raises(TypeError, match=r"^Units must be of class Unit, not 'router'$"):
        ConfigNode(node_units(TINY, 0))


@pytest.mark.parametrize(("units", "message"), [
    ([("commit", 1)], r"^Unit must not be called 'commit': the node has a port of that name$"),
    ([("a", 1), ("a", 2)], r"^Unit must not be called 'a': the node has a port of that name$"),
    ([("a", 15)], r"^Unit 'a' must not have number 15, which is that of the word that clears"),
    ([("a", 1), ("b", 1)], r"^Unit 'b' must not have number 1, which is that of unit 'a'$"),
])
def test_refuses_units_that_collide(units, message):
    with pytest.raises(ValueError, match=message):
        ConfigNode([Unit(name, number, "x", (Register("r", 4, "x"),)) for name, number in units])
