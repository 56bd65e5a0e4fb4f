import random

import pytest

from hdl.registers import OFFSET_BITS, SINKS, SOURCES, UNIT_BITS, Register, Unit, node_units
from hdl.target import TARGETS

EVERY_NODE = [(name, node) for name, target in TARGETS.items() for node in range(target.nodes)]


@pytest.mark.parametrize("name, node", EVERY_NODE)
def test_units_fit_the_packet_fields(name, node):
    units = node_units(TARGETS[name], node)
    numbers = [unit.number for unit in units.values()]
    assert len(set(numbers)) == len(numbers) and max(numbers) < 1 << UNIT_BITS
    for key, unit in units.items():
        assert key == unit.name and 1 <= unit.words <= 1 << OFFSET_BITS
        assert len(unit.word_registers()) == unit.words


def test_words_round_trip():
    seed = 7
    print("seed", seed)
    rng = random.Random(seed)
    for name, node in EVERY_NODE:
        for unit in node_units(TARGETS[name], node).values():
            values = {}
            for register in unit.registers:
                draws = [rng.choice((register.lowest, register.highest,
                                     rng.randint(register.lowest, register.highest)))
                         for _ in range(register.count)]
                values[register.name] = draws if register.count > 1 else draws[0]
            words = unit.encode(values)
            for register in unit.registers:
                wanted = values[register.name]
                wanted = wanted if register.count > 1 else [wanted]
                start = unit.offset(register.name)
                got = [register.decode(word) for word in words[start:start + register.count]]
                assert got == wanted, (unit.name, register.name)


def test_layout_names_what_hardware_reads():
    units = node_units(TARGETS["tiny"], 0)
    assert units["router"].words == len(SINKS)
    assert units["router"].registers[0].highest == len(SOURCES)
    layout = units["convolver"].layout
    assert {"passes", "kind_x", "drain_stride"} <= set(dict(layout))


@pytest.mark.parametrize("values, message", [
    ({"low": 40000}, r"^register low must be in -32768\.\.32767, not 40000$"),
    ({"shift": -1}, r"^register shift must be in 0\.\.31, not -1$"),
    ({"speed": 1}, r"^unit mapper has no register speed$"),
])
def test_rejects(values, message):
    with pytest.raises(ValueError, match=message):
        node_units(TARGETS["tiny"], 0)["mapper"].encode(values)


def test_rejects_long_arrays_and_indices():
    router = node_units(TARGETS["tiny"], 0)["router"]
    with pytest.raises(ValueError, match=r"^router\.source has 16 words, not 17$"):
        router.encode({"source": [0] * 17})
    with pytest.raises(ValueError, match=r"^router\.source has 16 words, not an index 16$"):
        router.offset("source", 16)
    with pytest.raises(ValueError, match="at most 1024$"):
        Unit("big", 0, "", (Register("word", 32, "", count=1025),))
