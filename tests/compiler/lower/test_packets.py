import struct
import zlib

import pytest

from compiler.lower.circuit import Circuit
from compiler.lower.packets import Shadow, encode_packet
from hdl.registers import node_units
from hdl.target import get_target

TINY = get_target("tiny")


def _fields(packet):
    head, mask = struct.unpack_from("<2I", packet)
    return {"length": head & 0x7FF, "offset": head >> 11 & 0x3FF, "unit": head >> 21 & 15,
            "sequence": head >> 25, "mask": mask}


def test_packet_layout():
    packet = encode_packet(3, 5, 130, 0b10, [7, 8])
    assert _fields(packet) == {"length": 2, "offset": 5, "unit": 3, "sequence": 2, "mask": 2}
    assert struct.unpack_from("<2I", packet, 8) == (7, 8)
    assert struct.unpack("<I", packet[-4:])[0] == zlib.crc32(packet[:-4])


def test_registers_are_zero_at_the_start():
    circuit, shadow = Circuit(), Shadow(TINY)
    circuit.set(1, "router", {"source": [0, 0, 5]})
    circuit.set(1, "mapper", {"low": 1, "high": 2, "shift": 3})
    packets = [_fields(packet) for packet in shadow.encode(circuit)]
    units = node_units(TINY, 1)
    assert [(packet["unit"], packet["offset"], packet["length"]) for packet in packets] == [
        (units["router"].number, 2, 1),
        (units["mapper"].number, 0, 2), (units["mapper"].number, 6, 1)]
    assert [packet["sequence"] for packet in packets] == [0, 1, 2]
    # What a step leaves out goes back to 0.
    (packet, *_) = shadow.encode(Circuit({1: {}}))
    assert _fields(packet) | {"unit": units["router"].number, "offset": 2, "length": 1} \
        == _fields(packet)


def test_later_only_changes_are_sent():
    shadow = Shadow(TINY)
    values = {"low": 1, "high": 2, "shift": 3}
    first, second = Circuit(), Circuit()
    first.set(1, "mapper", values)
    second.set(1, "mapper", values | {"high": 9})
    shadow.encode(first)
    assert shadow.encode(first) == []
    (packet,) = shadow.encode(second)
    assert _fields(packet) | {"mask": 2, "length": 1, "offset": 1} == _fields(packet)


def test_memories_are_written_anew_for_every_step():
    shadow, circuit = Shadow(TINY), Circuit()
    circuit.set(1, "mapper_table", [1, 2, 3, 4])
    shadow.encode(circuit)
    (packet,) = shadow.encode(circuit)
    assert _fields(packet)["length"] == 4


def test_nodes_that_are_alike_share_packets_but_tiles_and_ports_do_not():
    circuit = Circuit()
    for tile in (1, 2):
        circuit.set(tile, "router", {"source": [1]})
    circuit.set(TINY.tiles, "read", {"enable": 1})
    masks = {_fields(packet)["mask"] for packet in Shadow(TINY).encode(circuit)}
    assert masks == {0b110, 1 << TINY.tiles}


def test_a_unit_is_used_once_in_a_step():
    circuit, other = Circuit(), Circuit()
    circuit.set(1, "op0", {})
    other.set(1, "op0", {})
    with pytest.raises(ValueError, match="unit op0 of node 1 is used twice"):
        circuit.join(other)
