"""One multiply-accumulate unit of the chain."""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from ..registers import RELATIONS
from ..select import select
from .line_buffer import TAP_WIDTH
from .multiply_add import LINK_WIDTH, MultiplyAdd

__all__ = ["Mac"]

_EQUAL, _LESS = RELATIONS.index("equal"), RELATIONS.index("less")


class Mac(wiring.Component):
    """Add weight times sample to the neighbour's sum.

    Takes a row bus or what the neighbour had two chain cycles before, decides by the marks on it
    whether the sample lies in the frame, and multiplies it with the weight of the current context.
    All registers advance with ``enable``; from tap to sum there are 4: bus, operand, product and
    sum. The last three are in a `MultiplyAdd`, whose product is cleared where the sample is masked.

    Parameters
    ----------
    target : Target
        Gives ``contexts`` and the width of sums.
    buses : int
        Row buses that the MAC can read, 0 to 15.
    head, linked : bool
        See `MultiplyAdd`.

    Members
    -------
    enable : In(1)
        A chain cycle.
    taps : In(18), array of ``buses``
        Row buses, see `LineBuffers`.
    before : In(18)
        What the neighbour passes on.
    passed : Out(18)
        What this MAC chose, 2 chain cycles after its tap.
    bus : In(4)
        0 for the neighbour, else 1 + index into ``taps``. Constant.
    column, row : In(2)
        Kernel column (row) against left (top) padding, index into `RELATIONS`. Constant.
    row_start, frame_start : In(1)
        The output this MAC works on is the first of a row (frame); 1 chain cycle after its tap.
    context : In(unsigned)
        Context of the frame; 1 chain cycle after the tap.
    head : In(1)
        Add to ``carry``, not to the neighbour's sum. Constant.
    carry : In(signed(accumulator_width))
        2 chain cycles after the tap.
    clear_carry : In(1)
        With ``enable``, in place of ``carry``: the carry is 0.
    link_in : In(48), link_out : Out(48)
        The sum, from and to the neighbour.
    sum : Out(signed(accumulator_width))
        4 chain cycles after the tap. Sums wrap: what is exact modulo 2**36 at the end of a lane
        is exact when the end fits.
    load : In(1)
        Write ``weight`` to context ``slot``, in this clock cycle.
    slot : In(unsigned)
    weight : In(signed(16))

    Source: docs/architecture.md, "Convolver", "Chain" and "Masks".
    """

    def __init__(self, target, buses, *, head=False, linked=True):
        self.target = target
        self.may_be_head = head
        self.linked = linked
        contexts = range(target.contexts)
        super().__init__({
            "enable": In(1),
            "taps": In(TAP_WIDTH).array(buses),
            "before": In(TAP_WIDTH),
            "passed": Out(TAP_WIDTH),
            "bus": In(4),
            "column": In(2),
            "row": In(2),
            "row_start": In(1),
            "frame_start": In(1),
            "context": In(contexts),
            "head": In(1),
            "carry": In(signed(target.accumulator_width)),
            "clear_carry": In(1),
            "link_in": In(LINK_WIDTH),
            "link_out": Out(LINK_WIDTH),
            "sum": Out(signed(target.accumulator_width)),
            "load": In(1),
            "slot": In(contexts),
            "weight": In(signed(16)),
        })

    def elaborate(self, platform):
        m = Module()

        # Reset: no mark of the step before may come along.
        tap = Signal(TAP_WIDTH)
        with m.If(self.enable):
            m.d.sync += [tap.eq(select(self.bus, [self.before, *self.taps])), self.passed.eq(tap)]

        cell = m.submodules.cell = MultiplyAdd(
            self.target.accumulator_width, head=self.may_be_head, linked=self.linked)
        weights = m.submodules.weights = memory.Memory(
            shape=signed(16), depth=self.target.contexts, init=[])
        write, read = weights.write_port(), weights.read_port(domain="comb")
        m.d.comb += [
            write.en.eq(self.load), write.addr.eq(self.slot), write.data.eq(self.weight),
            read.addr.eq(self.context),
            cell.enable.eq(self.enable), cell.clear.eq(self.enable & ~self._inside(m, tap)),
            cell.sample.eq(tap[:16].as_signed()), cell.weight.eq(read.data),
            cell.head.eq(self.head), cell.carry.eq(self.carry),
            cell.clear_carry.eq(self.clear_carry), cell.link_in.eq(self.link_in),
            self.link_out.eq(cell.link_out), self.sum.eq(cell.sum),
        ]
        return m

    def _inside(self, m, tap):
        """Return whether the sample lies in the frame, a chain cycle after ``tap``."""
        inside = []
        for name, mark, relation, own in (
                ("column", tap[16], self.column, self.row_start),
                ("row", tap[17], self.row, self.frame_start)):
            flag = Signal(name=f"{name}_flag", reset_less=True)
            with m.If(self.enable):
                m.d.sync += flag.eq((relation == _EQUAL) | Mux(
                    relation == _LESS, mark | (flag & ~own), own | (flag & ~mark)))
            inside.append(flag)
        return inside[0] & inside[1]
