"""Changed programs for the verifier: registers, table words and weights of an image."""

import dataclasses
import struct
import zlib

import numpy as np

from hdl.registers import node_units
from hdl.target import get_target
from sim.functional import prepare

__all__ = ["changed_register", "flipped_sample", "packets", "weight_channels"]


def _prepared(program):
    return prepare(np.frombuffer(program.image, np.uint8), 0, get_target(program.target))


def packets(program, step):
    """Yield (address, unit number, offset, mask, words) of a step's packets."""
    first, _ = _prepared(program).steps[step]
    count = 0
    while count < 4 * first.words:
        head, mask = struct.unpack_from("<2I", program.image, first.packets + count)
        length = head & 0x7FF
        yield first.packets + count, head >> 21 & 15, head >> 11 & 0x3FF, mask, length
        count += 4 * (length + 3)


def changed_register(program, step, node, unit, name, change, index=0):
    """Return the program with another value of a register, its packet's CRC made right again."""
    described = node_units(get_target(program.target), node)[unit]
    wanted = described.offset(name, index)
    image = bytearray(program.image)
    for address, number, offset, mask, length in packets(program, step):
        if number == described.number and mask >> node & 1 and offset <= wanted < offset + length:
            place = address + 8 + 4 * (wanted - offset)
            value = struct.unpack_from("<I", image, place)[0]
            struct.pack_into("<I", image, place, change(value))
            body = image[address:address + 8 + 4 * length]
            struct.pack_into("<I", image, address + len(body), zlib.crc32(body))
            return dataclasses.replace(program, image=bytes(image))
    raise AssertionError(f"step {step} does not write {unit}.{name} of node {node}")


def weight_channels(program):
    """Yield (step, tile, first sample address, samples) of each weight stream of an image."""
    target = get_target(program.target)
    for index, (step, active) in enumerate(_prepared(program).steps):
        for tile in target.convolvers:
            if step.commit >> tile & 1 and active[tile]["convolver"]["enable"]:
                channel = active[target.tiles + target.port_of_tile(tile)]["weights"]
                yield index, tile, channel["base"], channel["length"]


def flipped_sample(program, address, bit):
    """Return the program with one bit of a sample of its image inverted."""
    image = bytearray(program.image)
    image[2 * address + bit // 8] ^= 1 << bit % 8
    return dataclasses.replace(program, image=bytes(image))
