"""Biases and shifts of the passes that are under way."""

from amaranth.hdl import Cat, Module, signed
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from ..registers import PARAMETER_SLOTS

__all__ = ["PASSES", "Parameters"]

#: Passes whose parameters are kept, from loading to the end of draining.
PASSES = 4


class Parameters(wiring.Component):
    """Memories of pass parameters: one of biases and one of shifts.

    Those of four passes are kept: they load well before a pass is drained, which takes them.

    Parameters
    ----------
    target : Target
        The machine.

    Members
    -------
    load, bias, shift, index, generation
        Write port, see `WeightLoader`.
    drain_index : In(4), array of 2; drain_generation : In(2), array of 2
        Slot of each drain stream, in the pass (modulo 4) that is drained.
    drain_bias : Out(signed(36)), array of 2; drain_shift : Out(6), array of 2
        Its parameters, not registered.
    """

    def __init__(self, target):
        self.target = target
        slots, bias = range(PARAMETER_SLOTS), signed(target.accumulator_width)
        super().__init__({
            "load": In(1),
            "bias": In(bias),
            "shift": In(6),
            "index": In(slots),
            "generation": In(2),
            "drain_index": In(slots).array(2),
            "drain_generation": In(2).array(2),
            "drain_bias": Out(bias).array(2),
            "drain_shift": Out(6).array(2),
        })

    def elaborate(self, platform):
        m = Module()
        for name, value, drained in (("biases", self.bias, self.drain_bias),
                                     ("shifts", self.shift, self.drain_shift)):
            words = m.submodules[name] = memory.Memory(
                shape=value.shape(), depth=PASSES * PARAMETER_SLOTS, init=[])
            write = words.write_port()
            m.d.comb += [
                write.en.eq(self.load), write.data.eq(value),
                write.addr.eq(Cat(self.index, self.generation)),
            ]
            for stream in range(2):
                read = words.read_port(domain="comb")
                m.d.comb += [
                    read.addr.eq(Cat(self.drain_index[stream], self.drain_generation[stream])),
                    drained[stream].eq(read.data),
                ]
        return m
