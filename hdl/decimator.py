"""Which results of a map a stride keeps."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .select import equal

__all__ = ["Decimator", "incremented"]


def incremented(value):
    """Return ``value`` + 1 of the same width, from a carry chain without look-up tables."""
    return (Cat(1, value) + 1)[1:len(value) + 1]


class Decimator(wiring.Component):
    """Tell for result after result whether its column and its row are multiples of the steps.

    Members
    -------
    valid : In(1)
        A result.
    width, height : In(12)
        Size of a map; a width of 0 keeps everything.
    step_x, step_y : In(8)
        At least 1 unless everything is kept. All four are constant from ``start`` on.
    start : In(1)
        Begin with the first result of a map.
    kept : Out(1)
        A cycle after ``valid``: it is kept.
    """

    def __init__(self):
        super().__init__({
            "valid": In(1), "width": In(12), "height": In(12), "step_x": In(8), "step_y": In(8),
            "start": In(1), "kept": Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        # Counts from 0, but columns from 1; the steps start anew with each row and each map.
        column, row = Signal(12, reset_less=True), Signal(12, reset_less=True)
        step_x, step_y = Signal(8, reset_less=True), Signal(8, reset_less=True)
        # Whether the column is the last, and whether the steps are at 0.
        last_column = Signal(reset_less=True)
        due_x, due_y = Signal(init=1, reset_less=True), Signal(init=1, reset_less=True)
        every = Signal()

        with m.If(self.start | (self.valid & last_column)):
            m.d.sync += [column.eq(1), last_column.eq(self.width == 1)]
        with m.Elif(self.valid):
            m.d.sync += [column.eq(incremented(column)),
                         last_column.eq(equal(incremented(column), self.width))]

        def advance(counter, due, enable, end):
            with m.If(self.start | (enable & end)):
                m.d.sync += [counter.eq(0), due.eq(1)]
            with m.Elif(enable):
                m.d.sync += [counter.eq(incremented(counter)), due.eq(0)]

        next_row = self.valid & last_column
        last_row = equal(incremented(row), self.height)
        advance(row, Signal(), next_row, last_row)
        advance(step_x, due_x, self.valid, last_column | equal(incremented(step_x), self.step_x))
        advance(step_y, due_y, next_row, last_row | equal(incremented(step_y), self.step_y))

        m.d.sync += [
            every.eq(self.width == 0),
            self.kept.eq(self.valid & (every | (due_x & due_y)) & ~self.start),
        ]
        return m
