"""What a configuration packet may say: nodes, units, offsets and values, from `hdl.registers`."""

from dataclasses import dataclass

from ..registers import node_units

__all__ = ["Limit", "PacketRules", "UnitRule", "packet_rules"]


@dataclass(frozen=True)
class Limit:
    """Legal values of a word: 0 to ``highest``, or down to ``-(highest + 1)`` when signed."""

    highest: int
    signed: bool = False


@dataclass(frozen=True)
class UnitRule:
    """One unit number of one group of nodes.

    Parameters
    ----------
    nodes : int
        Mask of the nodes that have the unit.
    words : int
        Words of the unit.
    limits : tuple of Limit
        One a word, or a single one for all of them.
    """

    nodes: int
    words: int
    limits: tuple[Limit, ...]

    def __post_init__(self):
        if len(self.limits) not in (1, self.words):
            raise ValueError(f"a unit of {self.words} words must have 1 or {self.words} limits, "
                             f"not {len(self.limits)}")

    @property
    def uniform(self):
        """All words have one limit."""
        return len(self.limits) == 1


@dataclass(frozen=True)
class PacketRules:
    """All that the configuration loader checks a packet against.

    Parameters
    ----------
    groups : tuple of (int, dict of int to UnitRule)
        Masks of nodes that no packet mixes, with their units by number: tiles, DMA ports.
    """

    groups: tuple[tuple[int, dict[int, UnitRule]], ...]

    @property
    def nodes(self):
        """Mask of all nodes."""
        return sum(mask for mask, _ in self.groups)

    def units(self):
        """Yield (group, unit number, rule, index of its first limit) of each unit."""
        first = 0
        for group, (_, units) in enumerate(self.groups):
            for number, rule in units.items():
                yield group, number, rule, first
                first += len(rule.limits)

    @property
    def limits(self):
        """The limits of all units, one after the other in the order of `units`."""
        return [limit for _, _, rule, _ in self.units() for limit in rule.limits]


def packet_rules(target):
    """Return the rules of a target.

    Parameters
    ----------
    target : Target
        The machine.
    """
    groups = []
    for nodes in (range(target.tiles), range(target.tiles, target.nodes)):
        masks, units = {}, {}
        for node in nodes:
            for unit in node_units(target, node).values():
                masks[unit.number] = masks.get(unit.number, 0) | 1 << node
                units[unit.number] = unit
        rules = {}
        for number, unit in sorted(units.items()):
            registers = unit.registers if len(unit.registers) == 1 else unit.word_registers()
            rules[number] = UnitRule(masks[number], unit.words, tuple(
                Limit(register.highest, register.signed) for register in registers))
        groups.append((sum(1 << node for node in nodes), rules))
    return PacketRules(tuple(groups))
