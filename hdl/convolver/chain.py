"""The chain of MACs, cut into lanes."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..registers import tile_units
from ..select import select
from .lane_constant import LaneConstant
from .line_buffer import TAP_WIDTH
from .mac import Mac

__all__ = ["Chain", "HeadTag", "TailTag"]


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
    head (the end) of a lane for some count of lanes have multiplexers for it. The first half of
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
        What the head of each lane adds to; 4 chain cycles after the taps.
    load : In(macs)
        Bit i: write ``weight`` to context ``slot`` of MAC i, in this clock cycle.
    slot : In(unsigned)
    weight : In(signed(16))
    sums : Out(36), array of ``banks``
        Sum of each lane; lane length + 5 chain cycles after the taps.
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
            "load": In(target.macs),
            "slot": In(range(target.contexts)),
            "weight": In(signed(16)),
            "sums": Out(signed(width)).array(target.banks),
            "sums_tag": Out(TailTag()),
        })

    def elaborate(self, platform):
        m = Module()
        target = self.target
        head_context = Signal(range(target.contexts), reset_less=True)
        with m.If(self.enable):
            m.d.sync += head_context.eq(self.head.context)
        head = Cat(self.head.row_start, self.head.frame_start, head_context)

        macs, above = [], None
        for index in range(target.macs):
            buses = target.row_buses(index)
            mac = m.submodules[f"mac{index}"] = Mac(target, len(buses))
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
                m.d.comb += mac.before.eq(macs[-2].passed)

            tags, carry = head, self.feed[0]
            if index:
                tags, carry = above, macs[-2].sum
                tags, carry = self._head(m, index, head, tags, carry)
            m.d.comb += [Cat(mac.row_start, mac.frame_start, mac.context).eq(tags),
                         mac.carry.eq(carry)]
            above = Signal(len(head), name=f"tags{index}", reset_less=True)
            with m.If(self.enable):
                m.d.sync += above.eq(tags)

        self._tails(m, macs)
        return m

    def _head(self, m, index, head, tags, carry):
        """Return the tags and the carry of a MAC that may be the head of a lane."""
        target = self.target
        heads = {lanes: index // target.lane_length(lanes) for lanes in range(2, target.banks + 1)
                 if index % target.lane_length(lanes) == 0
                 and index // target.lane_length(lanes) < lanes}
        if not heads:
            return tags, carry
        choice = sorted(set(heads.values()))
        chosen = m.submodules[f"head{index}"] = LaneConstant(
            target, lambda lanes: choice.index(heads[lanes]) + 1 if lanes in heads else 0)
        m.d.comb += chosen.lanes.eq(self.lanes)
        feeds = [self.feed[lane] for lane in choice]
        return Mux(chosen.o.any(), head, tags), select(chosen.o, [carry, *feeds]).as_signed()

    def _tails(self, m, macs):
        """Pick the ends of the lanes, and delay the tags by the length of a lane."""
        target = self.target
        picked = m.submodules.picked = LaneConstant(target, lambda lanes: lanes - 1)
        m.d.comb += picked.lanes.eq(self.lanes)

        for lane in range(target.banks):
            # No lane of this number exists with fewer lanes: any MAC will do.
            ends = [macs[(lane + 1) * target.lane_length(max(lanes, lane + 1)) - 1].sum
                    for lanes in range(1, target.banks + 1)]
            chosen = Signal(signed(target.accumulator_width), name=f"sum{lane}", reset_less=True)
            m.d.comb += self.sums[lane].eq(chosen)
            with m.If(self.enable):
                m.d.sync += chosen.eq(select(picked.o, ends))

        tags = [self.tail]
        for index in range(target.macs - 1):
            tag = Signal(TailTag(), name=f"tail_tag{index}")
            with m.If(self.enable):
                m.d.sync += tag.eq(tags[-1])
            tags.append(tag)
        ends = [tags[target.lane_length(lanes) - 1] for lanes in range(1, target.banks + 1)]
        # One register for the choice here, four for operand, operand sum, product and sum.
        late = select(picked.o, [end.as_value() for end in ends])
        for index in range(5):
            tag = Signal(TailTag(), name=f"late_tag{index}")
            with m.If(self.enable):
                m.d.sync += tag.eq(late)
            late = tag
        m.d.comb += self.sums_tag.eq(late)
