"""Configuration packets: only what changes, sent once to all nodes it is alike for."""

import struct
import zlib

from hdl.registers import node_units

__all__ = ["FRAME_WORDS", "Shadow", "encode_packet"]

#: Most payload words of a packet.
MOST_WORDS = 1024

#: Words of a packet besides its payload.
FRAME_WORDS = 3

#: Unchanged words that are cheaper to send again than to start another packet for.
SHORT_GAP = 3


def encode_packet(unit, offset, sequence, mask, words):
    """Return the bytes of one packet, see docs/architecture.md."""
    head = len(words) | offset << 11 | unit << 21 | (sequence & 0x7F) << 25
    body = struct.pack(f"<{len(words) + 2}I", head, mask, *words)
    return body + struct.pack("<I", zlib.crc32(body))


def _changes(old, new):
    """Return (offset, words) runs that turn ``old`` into ``new``; ``old`` None is unknown."""
    if old is None:
        changed = list(range(len(new)))
    else:
        changed = [index for index, word in enumerate(new) if word != old[index]]
    runs = []
    for index in changed:
        if runs and index - runs[-1][1] <= SHORT_GAP + 1 and index - runs[-1][0] < MOST_WORDS:
            runs[-1][1] = index
        else:
            runs.append([index, index])
    return [(first, tuple(new[first:last + 1])) for first, last in runs]


class Shadow:
    """What the shadow registers of every node hold while a program runs.

    All registers are 0 at its start, and nothing is known of the memories.
    """

    def __init__(self, target):
        self.units = [node_units(target, node) for node in range(target.nodes)]
        self.held = [{name: [0] * unit.words for name, unit in units.items()}
                     for units in self.units]

    def encode(self, circuit):
        """Return the packets that configure a step, a list of bytes.

        Parameters
        ----------
        circuit : Circuit
            Register values of all nodes in the step.
        """
        masks = {}
        for node, values in circuit.units.items():
            for name, unit in self.units[node].items():
                for offset, words in self._node_changes(node, unit, values.get(name)):
                    key = (name, unit.number, offset, words)
                    masks[key] = masks.get(key, 0) | 1 << node
        return [encode_packet(number, offset, sequence, mask, words)
                for sequence, ((_, number, offset, words), mask) in enumerate(masks.items())]

    def _node_changes(self, node, unit, values):
        if unit.memory:
            # Banks were exchanged: what is used is written anew.
            return _changes(None, [int(word) & 0xFFFFFFFF for word in values or ()])
        words = unit.encode(values or {})
        changes = _changes(self.held[node][unit.name], words)
        self.held[node][unit.name] = words
        return changes
