"""The chain of MACs, cut into lanes."""

from collections import defaultdict

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..registers import tile_units
from ..select import or_reduce, select
from .bank_map import first_bank, owner
from .lane_constant import LaneConstant
from .line_buffer import TAP_WIDTH
from .mac import Mac

__all__ = ["COLUMN", "Chain", "HeadTag", "TailTag"]

#: Most cells that can stand in one column: those of an XC6VLX240T are 96 cells high.
COLUMN = 96


def _heads(target, index):
    """Return the lane that begins at MAC ``index``, by count of lanes."""
    return {lanes: index // target.lane_length(lanes) for lanes in range(1, target.banks + 1)
            if index % target.lane_length(lanes) == 0
            and index // target.lane_length(lanes) < lanes}


def _ends(target, bank):
    """Return the MACs at which lanes that own a bank end, each with the counts of lanes."""
    ends = defaultdict(set)
    for lanes in range(1, target.banks + 1):
        if found := owner(target, lanes, bank):
            ends[(found[0] + 1) * target.lane_length(lanes) - 1].add(lanes)
    return [(end, frozenset(used)) for end, used in sorted(ends.items())]


def _column_firsts(target):
    """Return the MACs at which the cells go on in a new column; none of them can be a head."""
    firsts, first = set(), 0
    while first + COLUMN < target.macs:
        first = next(index for index in range(first + COLUMN, first, -1)
                     if not _heads(target, index))
        firsts.add(first)
    return firsts


class HeadTag(data.StructLayout):
    """What a MAC must know about its output; all zero outside of frames."""

    def __init__(self, target):
        super().__init__({
            "row_start": unsigned(1),
            "frame_start": unsigned(1),
            "context": range(target.contexts),
        })


class TailTag(data.StructLayout):
    """What becomes of a sum at the end of its lane; all zero outside of frames."""

    def __init__(self):
        super().__init__({
            "store": unsigned(1),
            "pass_start": unsigned(1),
            "frame_last": unsigned(1),
            "entry_last": unsigned(1),
            "pass_last": unsigned(1),
        })


class Chain(wiring.Component):
    """``macs`` MACs, each adding to its neighbour's sum, in 1 to ``banks`` lanes of equal length.

    A MAC works on the output that its neighbour worked on a chain cycle before. At the head of a
    lane the sum comes from ``feed`` instead, and the tags from ``head``. Only MACs that are the
    head (the end) of a lane for some count of lanes have multiplexers for it. Sums go from cell
    to cell over the wires of a column, which is at most `COLUMN` cells long. The first half of
    the MACs read the taps of stream A, the others those of stream B, where a kernel row may begin;
    within a row samples pass from MAC to MAC.

    Parameters
    ----------
    target : Target
        The machine.

    Members
    -------
    enable : In(1)
        A chain cycle.
    lanes : In(4)
        Constant.
    config : In(registers of unit ``mac``)
        Constant.
    taps : In(18), array of ``2 * kernel_rows``
    head : In(HeadTag)
        1 chain cycle after the taps.
    tail : In(TailTag)
        1 chain cycle after the taps.
    feed : In(36), array of ``banks``
        What the head of the lane adds to whose first bank it is; 2 chain cycles after the taps.
    begin : In(1)
        The heads add to 0 instead.
    load : In(macs)
        Bit i: write ``weight`` to context ``slot`` of MAC i, in this clock cycle.
    slot : In(unsigned)
    weight : In(signed(16))
    sums : Out(36), array of ``banks``
        Sum of the lane that owns the bank; lane length + 4 chain cycles after the taps, not
        registered.
    sums_tag : Out(TailTag)
        The tag that belongs to ``sums``.

    Source: docs/architecture.md, "Convolver", "Chain".
    """

    def __init__(self, target):
        self.target = target
        width = target.accumulator_width
        super().__init__({
            "enable": In(1),
            "lanes": In(4),
            "config": In(tile_units(target, True)["mac"].layout),
            "taps": In(TAP_WIDTH).array(2 * target.kernel_rows),
            "head": In(HeadTag(target)),
            "tail": In(TailTag()),
            "feed": In(signed(width)).array(target.banks),
            "begin": In(1),
            "load": In(target.macs),
            "slot": In(range(target.contexts)),
            "weight": In(signed(16)),
            "sums": Out(signed(width)).array(target.banks),
            "sums_tag": Out(TailTag()),
        })

    def elaborate(self, platform):
        m = Module()
        target = self.target
        head = Value.cast(self.head)
        firsts = _column_firsts(target)

        macs, above = [], None
        for index in range(target.macs):
            buses = target.row_buses(index)
            heads = _heads(target, index)
            mac = m.submodules[f"mac{index}"] = Mac(
                target, len(buses), head=bool(heads), linked=index not in firsts)
            macs.append(mac)
            m.d.comb += [
                mac.enable.eq(self.enable),
                mac.bus.eq(self.config.bus[index]),
                mac.column.eq(self.config.column[index]),
                mac.row.eq(self.config.row[index]),
                mac.load.eq(self.load[index]), mac.slot.eq(self.slot), mac.weight.eq(self.weight),
            ]
            first = target.kernel_rows if index >= target.macs // 2 else 0
            m.d.comb += [port.eq(self.taps[first + bus])
                         for port, bus in zip(mac.taps, buses, strict=True)]
            if index:
                m.d.comb += [mac.before.eq(macs[-2].passed), mac.link_in.eq(macs[-2].link_out)]

            tags = above
            if heads:
                tags = self._head(m, index, heads, mac, head, above)
            m.d.comb += Cat(mac.row_start, mac.frame_start, mac.context).eq(tags)
            above = Signal(len(head), name=f"tags{index}", reset_less=True)
            with m.If(self.enable):
                m.d.sync += above.eq(tags)

        self._tails(m, macs)
        return m

    def _head(self, m, index, heads, mac, head, above):
        """Connect the carry of a MAC that may be the head of a lane; return its tags."""
        banks = {lanes: first_bank(self.target, lanes, lane) for lanes, lane in heads.items()}
        feeds = sorted(set(banks.values()))
        m.d.comb += mac.clear_carry.eq(self.enable & self.begin)
        if index == 0:
            m.d.comb += [mac.head.eq(1), mac.carry.eq(self.feed[0])]
            return head
        chosen = m.submodules[f"head{index}"] = LaneConstant(
            self.target,
            lambda lanes: 2 * feeds.index(banks[lanes]) + 1 if lanes in heads else 0)
        m.d.comb += [
            chosen.lanes.eq(self.lanes), mac.head.eq(chosen.o[0]),
            mac.carry.eq(self.feed[feeds[0]] if len(feeds) == 1 else
                         select(chosen.o[1:], [self.feed[bank] for bank in feeds]).as_signed()),
        ]
        return Mux(chosen.o[0], head, above)

    def _tails(self, m, macs):
        """Pick the ends of the lanes, and delay the tags by the length of a lane."""
        target = self.target
        picked = m.submodules.picked = LaneConstant(target, lambda lanes: lanes - 1)
        m.d.comb += picked.lanes.eq(self.lanes)

        # For each end that a bank may belong to a register, held at 0 unless it does: a LUT joins
        # six of them, where as a multiplexer it would choose from four.
        totals = {}
        for bank in range(target.banks):
            choices = _ends(target, bank)
            for choice in choices:
                if choice not in totals:
                    totals[choice] = self._total(m, len(totals), macs, *choice)
            m.d.comb += self.sums[bank].eq(or_reduce(totals[choice] for choice in choices))

        tags = [self.tail]
        for index in range(target.macs - 1):
            tag = Signal(TailTag(), name=f"tail_tag{index}")
            with m.If(self.enable):
                m.d.sync += tag.eq(tags[-1])
            tags.append(tag)
        ends = [tags[target.lane_length(lanes) - 1] for lanes in range(1, target.banks + 1)]
        # One register for the choice here, three for operand, product and sum.
        late = select(picked.o, [end.as_value() for end in ends])
        for index in range(4):
            tag = Signal(TailTag(), name=f"late_tag{index}")
            with m.If(self.enable):
                m.d.sync += tag.eq(late)
            late = tag
        m.d.comb += self.sums_tag.eq(late)

    def _total(self, m, number, macs, end, used):
        """Return the sum of MAC ``end`` in a register, 0 for counts of lanes not in ``used``."""
        unused = m.submodules[f"unused{number}"] = LaneConstant(
            self.target, lambda lanes: lanes not in used)
        total = Signal(self.target.accumulator_width, name=f"total{number}", reset_less=True)
        m.d.comb += unused.lanes.eq(self.lanes)
        with m.If(self.enable):
            m.d.sync += total.eq(macs[end].sum)
        with m.If(unused.o):
            m.d.sync += total.eq(0)
        return total
