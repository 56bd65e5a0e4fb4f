"""Frame builder: places the samples of both input streams in frames."""

from amaranth.hdl import Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..select import select
from .positions import Positions, convolver_layout

__all__ = ["FrameBuilder", "TapSamples"]


class TapSamples(data.StructLayout):
    """What enters the line buffers in one chain cycle: a sample of each stream, and the marks."""

    def __init__(self):
        super().__init__({
            "a": signed(16),
            "b": signed(16),
            "column": unsigned(1),  # first column of a row
            "frame": unsigned(1),  # first sample of a frame
        })


class FrameBuilder(wiring.Component):
    """Give the samples of every chain cycle, in order.

    First ``config.lead`` zeros, then every frame: samples from the streams, masked samples and
    inserted zeros, then zeros for ever. 1 word a cycle.

    Parameters
    ----------
    target : Target
        The machine.

    Members
    -------
    config : In(registers of unit ``convolver``)
    load : In(1)
        Begin; once after reset.
    a, b : In(stream of signed(16))
        Input maps. Taken together; ``b`` only with ``two_streams``, else stream B carries what A
        does.
    o : Out(stream of TapSamples)
        ``ready`` must not depend on ``valid``.
    starved : Out(1)
        The next word needs a sample that has not come.

    Source: docs/architecture.md, "Convolver", "Frames".
    """

    def __init__(self, target):
        self.target = target
        super().__init__({
            "config": In(convolver_layout(target)),
            "load": In(1),
            "a": In(stream.Signature(signed(16))),
            "b": In(stream.Signature(signed(16))),
            "o": Out(stream.Signature(TapSamples())),
            "starved": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        config = self.config

        m.submodules.positions = positions = Positions(self.target, len(config.lead))
        m.d.comb += [
            positions.config.eq(config), positions.idle.eq(config.lead),
            positions.load.eq(self.load),
        ]
        position = positions.o.p

        # Three stages behind the positions, advancing together: the kind's window is looked up,
        # the position is measured from the window's corner, and compared with its sizes.
        looked_up, measured, valid = Signal(), Signal(), Signal()
        advance = Signal()
        m.d.comb += positions.o.ready.eq(advance)
        with m.If(advance):
            m.d.sync += [looked_up.eq(positions.o.valid), measured.eq(looked_up),
                         valid.eq(measured)]

        def stage(shape, name):
            return Signal(shape, name=name, reset_less=True)

        column, row = stage(len(position.column), "column"), stage(16, "row")
        x, y = stage(len(position.column), "x"), stage(16, "y")
        used_width, used_height = stage(len(x), "used_width"), stage(16, "used_height")
        marks = [stage(2, f"marks{index}") for index in range(3)]
        real = stage(1, "real")  # false before and after all frames
        with m.If(advance):
            m.d.sync += [
                column.eq(position.column), row.eq(position.row),
                x.eq(select(position.kind, config.kind_x)),
                y.eq(select(position.kind, config.kind_y)),
                used_width.eq(select(position.kind, config.kind_width)),
                used_height.eq(select(position.kind, config.kind_height)),
                marks[0].eq(position.row_start | position.frame_start << 1),
                real.eq(position.real),
            ]

        dx, dy = stage(len(x), "dx"), stage(len(y), "dy")
        width, height = stage(len(x), "width"), stage(16, "height")
        inside = stage(1, "inside")
        with m.If(advance):
            m.d.sync += [
                dx.eq(column - x), dy.eq(row - y), width.eq(used_width), height.eq(used_height),
                inside.eq(real & (column >= x) & (row >= y)), marks[1].eq(marks[0]),
            ]

        take, use = stage(1, "take"), stage(1, "use")
        with m.If(advance):
            m.d.sync += [
                take.eq(inside & (dx < config.data_width) & (dy < config.data_height)),
                use.eq((dx < width) & (dy < height)), marks[2].eq(marks[1]),
            ]

        two = config.two_streams
        arrived, words = Signal(), self.o.p
        m.d.comb += [
            arrived.eq(~take | (self.a.valid & (self.b.valid | ~two))),
            self.starved.eq(valid & ~arrived),
            self.o.valid.eq(valid & arrived),
            advance.eq(~valid | (arrived & self.o.ready)),
            self.a.ready.eq(valid & take & self.o.ready & (self.b.valid | ~two)),
            self.b.ready.eq(valid & take & self.o.ready & self.a.valid & two),
            words.a.eq(Mux(take & use, self.a.payload, 0)),
            words.b.eq(Mux(take & use, Mux(two, self.b.payload, self.a.payload), 0)),
            words.column.eq(marks[2][0]), words.frame.eq(marks[2][1]),
        ]

        return m
