"""One multiply-accumulate unit of the chain."""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from ..registers import RELATIONS
from ..select import select
from .line_buffer import TAP_WIDTH

__all__ = ["Mac"]

_EQUAL, _LESS = RELATIONS.index("equal"), RELATIONS.index("less")


class Mac(wiring.Component):
    """Add weight times sample to the neighbour's sum.

    Takes a row bus or what the neighbour had two chain cycles before, decides by the marks on it
    whether the sample lies in the frame, and multiplies it with the weight of the current context.
    All registers advance with ``enable``; from tap to sum there are 5: bus, operand twice, product,
    sum. The last three and the addition fit one DSP48E1; the first operand is cleared where the
    sample is masked.

    Parameters
    ----------
    target : Target
        Gives ``contexts`` and the width of sums.
    buses : int
        Row buses that the MAC can read, 0 to 15.

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
        Context of the frame; 2 chain cycles after the tap.
    carry : In(signed(accumulator_width))
        Sum to add to; 4 chain cycles after the tap.
    sum : Out(signed(accumulator_width))
        5 chain cycles after the tap. Sums wrap: what is exact modulo 2**36 at the end of a lane
        is exact when the end fits.
    load : In(1)
        Write ``weight`` to context ``slot``, in this clock cycle.
    slot : In(unsigned)
    weight : In(signed(16))

    Source: docs/architecture.md, "Convolver", "Chain" and "Masks"; Xilinx UG369 (DSP48E1).
    """

    def __init__(self, target, buses):
        self.target = target
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
            "carry": In(signed(target.accumulator_width)),
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

        inside = []
        for name, bit, relation, own in (("column", 16, self.column, self.row_start),
                                         ("row", 17, self.row, self.frame_start)):
            mark = Signal(name=f"{name}_mark")
            flag = Signal(name=f"{name}_flag", reset_less=True)
            now = Signal(name=f"{name}_now")
            m.d.comb += [
                mark.eq(tap[bit]),
                now.eq(Mux(relation == _LESS, mark | (flag & ~own), own | (flag & ~mark))),
            ]
            with m.If(self.enable):
                m.d.sync += flag.eq(now)
            inside.append(now | (relation == _EQUAL))
        masked = Signal()
        m.d.comb += masked.eq(self.enable & ~(inside[0] & inside[1]))

        operand = Signal(signed(16), reset_less=True)
        with m.If(self.enable):
            m.d.sync += operand.eq(tap[:16].as_signed())
        with m.If(masked):
            m.d.sync += operand.eq(0)

        m.submodules.weights = weights = memory.Memory(
            shape=signed(16), depth=self.target.contexts, init=[])
        write, read = weights.write_port(), weights.read_port(domain="comb")
        m.d.comb += [
            write.en.eq(self.load), write.addr.eq(self.slot), write.data.eq(self.weight),
            read.addr.eq(self.context),
        ]

        sample = Signal(signed(16), reset_less=True)
        weight = Signal(signed(16), reset_less=True)
        product = Signal(signed(32), reset_less=True)
        total = Signal.like(self.sum, reset_less=True)
        m.d.comb += self.sum.eq(total)
        with m.If(self.enable):
            m.d.sync += [
                sample.eq(operand),
                weight.eq(read.data),
                product.eq(sample * weight),
                total.eq(self.carry + product),
            ]

        return m
