"""Biases and shifts of the passes that are under way."""

from amaranth.hdl import Cat, Module, Signal, signed
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from ..registers import PARAMETER_SLOTS

__all__ = ["BIAS_PASSES", "SHIFT_PASSES", "Parameters"]

#: Passes whose biases are kept: one accumulates, the next loads.
BIAS_PASSES = 2

#: Passes whose shifts are kept, from loading to the end of draining.
SHIFT_PASSES = 4


class Parameters(wiring.Component):
    """Memories of pass parameters: a bias RAM a lane, and one RAM of shifts.

    Biases of two passes and shifts of four are kept, so the parameters of the next pass load
    while this one accumulates and the one before drains.

    Parameters
    ----------
    target : Target
        The machine.

    Members
    -------
    bias_load, shift_load, bias, shift, group, index, generation
        Write ports, see `WeightLoader`.
    enable : In(1)
        A chain cycle.
    head_group : In(4), head_half : In(1)
        Group, and parity of the pass, that the heads work on.
    head_bias : Out(signed(36)), array of ``banks``
        Their biases, 1 chain cycle later.
    drain_index : In(4), array of 2; drain_generation : In(2)
        Slot of each drain stream in the pass (modulo 4) that is drained.
    drain_shift : Out(6), array of 2
        Its shift, 1 clock cycle later.
    """

    def __init__(self, target):
        self.target = target
        slots, bias = range(PARAMETER_SLOTS), signed(target.accumulator_width)
        super().__init__({
            "bias_load": In(target.banks),
            "shift_load": In(1),
            "bias": In(bias),
            "shift": In(6),
            "group": In(slots),
            "index": In(slots),
            "generation": In(2),
            "enable": In(1),
            "head_group": In(slots),
            "head_half": In(1),
            "head_bias": Out(bias).array(target.banks),
            "drain_index": In(slots).array(2),
            "drain_generation": In(2),
            "drain_shift": Out(6).array(2),
        })

    def elaborate(self, platform):
        m = Module()

        for lane in range(self.target.banks):
            biases = memory.Memory(
                shape=self.bias.shape(), depth=BIAS_PASSES * PARAMETER_SLOTS, init=[])
            m.submodules[f"biases{lane}"] = biases
            write, read = biases.write_port(), biases.read_port(domain="comb")
            bias = Signal.like(self.bias, name=f"bias{lane}", reset_less=True)
            m.d.comb += [
                write.en.eq(self.bias_load[lane]), write.data.eq(self.bias),
                write.addr.eq(Cat(self.group, self.generation[0])),
                read.addr.eq(Cat(self.head_group, self.head_half)),
                self.head_bias[lane].eq(bias),
            ]
            with m.If(self.enable):
                m.d.sync += bias.eq(read.data)

        m.submodules.shifts = shifts = memory.Memory(
            shape=self.shift.shape(), depth=SHIFT_PASSES * PARAMETER_SLOTS, init=[])
        write = shifts.write_port()
        m.d.comb += [
            write.en.eq(self.shift_load), write.data.eq(self.shift),
            write.addr.eq(Cat(self.index, self.generation)),
        ]
        for stream in range(2):
            read = shifts.read_port(domain="comb")
            shift = Signal.like(self.shift, name=f"shift{stream}", reset_less=True)
            m.d.comb += [
                read.addr.eq(Cat(self.drain_index[stream], self.drain_generation)),
                self.drain_shift[stream].eq(shift),
            ]
            m.d.sync += shift.eq(read.data)

        return m
