"""Walk of the frame positions of a step: what the frame builder and the head's sequencer share."""

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

from ..counting import count_down
from ..registers import KINDS, PARAMETER_SLOTS, tile_units

__all__ = ["PositionLayout", "Positions", "convolver_layout"]


def convolver_layout(target):
    """Return the layout of the active registers of unit ``convolver``."""
    return tile_units(target, True)["convolver"].layout


class PositionLayout(data.StructLayout):
    """One chain cycle: a position of a frame, or (all zero) one before or after all frames."""

    def __init__(self, target):
        super().__init__({
            "column": unsigned(target.line_width.bit_length()),
            "row": unsigned(16),
            "kind": range(KINDS),
            "group": range(PARAMETER_SLOTS),
            "real": unsigned(1),
            "half": unsigned(1),  # of the accumulators: the pass number's lowest bit
            "row_start": unsigned(1),
            "frame_start": unsigned(1),
            "pass_start": unsigned(1),
            "first_entry": unsigned(1),
            "frame_last": unsigned(1),
            "entry_last": unsigned(1),
            "pass_last": unsigned(1),
        })


class _State(enum.Enum, shape=2):
    OFF = 0
    LEAD = 1
    RUN = 2
    FLUSH = 3


class Positions(wiring.Component):
    """Give the position of every chain cycle, in order.

    First ``idle`` empty words, then for each pass, entry, group, row and column one word, then
    empty words for ever. 1 word a cycle; the first comes 2 cycles after ``load``.

    Parameters
    ----------
    target : Target
        The machine.
    idle_width : int
        Bits of ``idle``.

    Members
    -------
    config : In(registers of unit ``convolver``)
        All loop counts are at least 1.
    idle : In(idle_width)
        Chain cycles before the first position.
    load : In(1)
        Begin; once after reset.
    o : Out(stream of PositionLayout)
    """

    def __init__(self, target, idle_width):
        self.target = target
        self.idle_width = idle_width
        super().__init__({
            "config": In(convolver_layout(target)),
            "idle": In(idle_width),
            "load": In(1),
            "o": Out(stream.Signature(PositionLayout(target))),
        })

    def elaborate(self, platform):
        m = Module()
        config, position = self.config, self.o.p

        valid = Signal()
        advance = Signal()
        m.d.comb += [self.o.valid.eq(valid), advance.eq(~valid | self.o.ready)]

        state = Signal(_State)
        running, step = Signal(), Signal()
        m.d.comb += [running.eq(state == _State.RUN), step.eq(running & advance)]

        # Each loop steps when all inside it are at their end.
        carry, starts = step, 1
        last = {}
        for name, limit in (("column", config.frame_width), ("row", config.frame_height),
                            ("group", config.interleave), ("entry", config.entries),
                            ("pass", config.passes)):
            left = Signal.like(limit, name=f"{name}_left", reset_less=True)
            first = Signal(name=f"first_{name}", reset_less=True)
            ended = Signal(name=f"last_{name}")
            m.d.comb += ended.eq(left == 0)
            with m.If(self.load | carry):
                start = self.load | ended
                m.d.sync += [left.eq(count_down(start, limit, left)), first.eq(start)]
            carry, starts = carry & ended, starts & first
            last[name] = (first, starts, ended, carry)

        idle_left = Signal(self.idle_width, reset_less=True)
        with m.If(self.load | (advance & (state == _State.LEAD))):
            m.d.sync += idle_left.eq(count_down(self.load, self.idle, idle_left))
        with m.If(self.load):
            m.d.sync += state.eq(Mux(self.idle.any(), _State.LEAD, _State.RUN))
        with m.Elif(advance & (state == _State.LEAD) & (idle_left == 0)):
            m.d.sync += state.eq(_State.RUN)
        with m.Elif(last["pass"][3]):
            m.d.sync += state.eq(_State.FLUSH)

        column = Signal.like(position.column, reset_less=True)
        row = Signal.like(position.row, reset_less=True)
        group = Signal.like(position.group, reset_less=True)
        kind = Signal(range(KINDS), reset_less=True)
        half = Signal(reset_less=True)
        with m.If(self.load):
            m.d.sync += [column.eq(0), row.eq(0), group.eq(0), kind.eq(0), half.eq(0)]
        with m.Elif(step):
            m.d.sync += column.eq(Mux(last["column"][2], 0, column + 1))
            with m.If(last["column"][3]):
                m.d.sync += row.eq(Mux(last["row"][2], 0, row + 1))
            with m.If(last["row"][3]):
                m.d.sync += group.eq(Mux(last["group"][2], 0, group + 1))
            with m.If(last["group"][3]):
                wrap = last["entry"][2] | (kind + 1 == config.kinds)
                m.d.sync += kind.eq(Mux(wrap, 0, kind + 1))
            with m.If(last["entry"][3]):
                m.d.sync += half.eq(~half)

        with m.If(advance):
            m.d.sync += [
                valid.eq(state != _State.OFF), position.real.eq(running),
                position.column.eq(column), position.row.eq(row), position.kind.eq(kind),
                position.group.eq(group), position.half.eq(half),
                position.row_start.eq(running & last["column"][1]),
                position.frame_start.eq(running & last["row"][1]),
                position.pass_start.eq(running & last["entry"][1]),
                position.first_entry.eq(running & last["entry"][0]),
                position.frame_last.eq(last["row"][3]),
                position.entry_last.eq(last["group"][3]),
                position.pass_last.eq(last["entry"][3]),
            ]

        return m
