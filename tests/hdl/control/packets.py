"""Packets for tests, and what the loader must make of them."""

import zlib

from hdl.control.host_registers import ErrorCode
from hdl.registers import node_units


def seal(words):
    """Append the CRC."""
    return [*words, zlib.crc32(b"".join(word.to_bytes(4, "little") for word in words))]


def packet(mask, unit, offset, payload, sequence, *, length=None):
    """Return the words of a packet."""
    length = len(payload) if length is None else length
    header = length | offset << 11 | unit << 21 | (sequence % 128) << 25
    return seal([header, mask, *payload])


def random_packet(rng, target, sequence, longest=12):
    """Return a legal packet for random nodes that share a unit."""
    first = rng.choice((0, target.tiles))
    nodes = range(first, target.tiles if first == 0 else target.nodes)
    units = node_units(target, rng.choice(nodes))
    unit = rng.choice(list(units.values()))
    fit = [node for node in nodes if unit.name in node_units(target, node)]
    chosen = rng.sample(fit, rng.randint(1, len(fit)))
    offset = rng.randrange(unit.words)
    registers = unit.word_registers()[offset:offset + rng.randint(1, longest)]
    payload = [register.encode(rng.choice((register.lowest, register.highest, rng.randint(
        register.lowest, register.highest)))) for register in registers]
    return packet(sum(1 << node for node in chosen), unit.number, offset, payload, sequence)


def verdict(target, words, sequence, left):
    """Return (code, position of the word) for a packet at the head of ``left`` words."""
    header = words[0]
    length, offset = header & 0x7FF, header >> 11 & 0x3FF
    unit, number = header >> 21 & 15, header >> 25
    if not 1 <= length <= 1024 or length + 3 > left:
        return ErrorCode.LOADER_LENGTH, 0
    words = words[:length + 3]
    if seal(words[:-1]) != words:
        return ErrorCode.LOADER_CRC, length + 2
    if number != sequence % 128:
        return ErrorCode.LOADER_SEQUENCE, 0
    nodes = [node for node in range(32) if words[1] >> node & 1]
    tiles = [node for node in nodes if node < target.tiles]
    if not nodes or nodes[-1] >= target.nodes or len(tiles) not in (0, len(nodes)):
        return ErrorCode.LOADER_NODE, 1
    found = None
    for node in nodes:
        found = [u for u in node_units(target, node).values() if u.number == unit]
        if not found:
            return ErrorCode.LOADER_UNIT, 0
    if offset + length > found[0].words:
        return ErrorCode.LOADER_OFFSET, 0
    registers = found[0].word_registers()[offset:]
    for position, (register, word) in enumerate(zip(registers, words[2:-1], strict=False), 2):
        if not register.lowest <= register.decode(word) <= register.highest:
            return ErrorCode.LOADER_VALUE, position
    return ErrorCode.NONE, 0


def bus_words(words):
    """Return what a good packet puts on the bus."""
    header = words[0]
    return [(words[1], header >> 21 & 15, (header >> 11 & 0x3FF) + index, word)
            for index, word in enumerate(words[2:-1])]
