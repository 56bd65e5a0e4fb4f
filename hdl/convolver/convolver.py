"""The convolver of a tile."""

from amaranth.hdl import Cat, Module, ResetInserter, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..counting import step
from ..registers import tile_units
from ..requantise import Requantise
from ..stream import SkidBuffer, StreamFifo
from .accumulators import Accumulators
from .chain import Chain
from .drain import DrainAddresses, DrainControl
from .frame import FrameBuilder, TapSamples
from .line_buffer import LineBuffers
from .lookahead import Lookahead
from .parameters import Parameters
from .sequencer import HeadWord, Sequencer
from .weights import WeightLoader

__all__ = ["Convolver"]

#: Words of a drain stream on their way from the accumulators to the output: more than the way is
#: long, so that it never runs dry.
_DRAIN_WORDS = 16


class Convolver(wiring.Component):
    """Convolve maps that stream in, accumulate over them, and drain the sums as samples.

    A frame of Ws x Hs samples takes Ws * Hs clock cycles, whatever the kernel, as long as
    samples and weights come and outputs go. The chain advances by one registered enable, decided a
    cycle ahead: samples and the heads' words come through queues that work ahead of it, and all
    that can make it wait is behind those.

    The latency from the sample that completes an output to its sum in the accumulators is the
    lane's length and 7 chain cycles; from there to the drain stream 16 clock cycles.

    Parameters
    ----------
    target : Target
        The machine.

    Members
    -------
    config : In(registers of unit ``convolver``)
    macs : In(registers of unit ``mac``)
    start : In(1)
    busy : Out(1)
        From the cycle after ``start`` with ``config.enable`` until every output has moved.
    a, b : In(stream of signed(16))
        Input maps.
    weights : In(stream of signed(16))
        Parameters and weights.
    drain0, drain1 : Out(stream of signed(16))
        Outputs.
    active : Out(1)
        A chain cycle in which the heads work on a stored output.
    stall_input, stall_weights, stall_output : Out(1)
        The chain waits for a sample, for a weight context, for a half of the accumulators.
    saturated : Out(1)
        An output was clipped.

    Source: docs/architecture.md, "Convolver".
    """

    def __init__(self, target):
        self.target = target
        units = tile_units(target, True)
        samples = stream.Signature(signed(16))
        super().__init__({
            "config": In(units["convolver"].layout),
            "macs": In(units["mac"].layout),
            "start": In(1),
            "busy": Out(1),
            "a": In(samples),
            "b": In(samples),
            "weights": In(samples),
            "drain0": Out(samples),
            "drain1": Out(samples),
            "active": Out(1),
            "stall_input": Out(1),
            "stall_weights": Out(1),
            "stall_output": Out(1),
            "saturated": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        target, config = self.target, self.config

        def add(name, component):
            m.submodules[name] = ResetInserter(self.start)(component)
            return component

        frames = add("frames", FrameBuilder(target))
        lines = add("lines", LineBuffers(target))
        sequencer = add("sequencer", Sequencer(target))
        loader = add("loader", WeightLoader(target))
        parameters = add("parameters", Parameters(target))
        chain = add("chain", Chain(target))
        accumulators = add("accumulators", Accumulators(target))
        samples = add("samples", Lookahead(TapSamples()))
        words = add("words", Lookahead(HeadWord(target)))

        running, load, enable = Signal(), Signal(), Signal()
        finished = Signal()
        m.d.comb += self.busy.eq(running)
        with m.If(self.start):
            m.d.sync += [running.eq(config.enable), load.eq(config.enable), enable.eq(0)]
        with m.Else():
            m.d.sync += [load.eq(0), enable.eq(
                samples.more & words.more & running & ~accumulators.wait)]
            with m.If(finished):
                m.d.sync += running.eq(0)

        for port, name, child in ((self.a, "a", frames.a), (self.b, "b", frames.b),
                                  (self.weights, "weights", loader.i)):
            buffer = add(f"{name}_buffer", SkidBuffer(signed(16)))
            # Not through its `clear`: `start` would run on into the logic behind.
            m.d.comb += [
                buffer.clear.eq(~running),
                buffer.i.payload.eq(port.payload),
                buffer.i.valid.eq(port.valid),
                port.ready.eq(buffer.i.ready & ~self.start),
            ]
            wiring.connect(m, buffer.o, child)
        wiring.connect(m, frames.o, samples.i)
        wiring.connect(m, sequencer.o, words.i)

        for child in (frames, sequencer, loader):
            m.d.comb += child.config.eq(config)
        m.d.comb += [child.load.eq(load) for child in (frames, lines, sequencer)]
        m.d.comb += loader.begin.eq(load)
        m.d.comb += [child.enable.eq(enable) for child in (lines, chain, accumulators)]
        m.d.comb += [child.pop.eq(enable) for child in (samples, words)]
        m.d.comb += [child.lanes.eq(config.lanes) for child in (chain, accumulators)]

        # The heads' word, by chain cycles since it left the queue.
        word = [words.o]
        for age in range(1, 4):
            late = Signal(HeadWord(target), name=f"word{age}")
            with m.If(self.start):
                m.d.sync += late.eq(0)
            with m.Elif(enable):
                m.d.sync += late.eq(word[-1])
            word.append(late)
        m.d.comb += [
            lines.i.eq(samples.o), lines.line_delay.eq(config.line_delay),
            chain.config.eq(self.macs),
            chain.head.row_start.eq(word[2].row_start),
            chain.head.frame_start.eq(word[2].frame_start),
            chain.head.context.eq(word[2].context),
            chain.tail.store.eq(word[2].store),
            chain.tail.pass_start.eq(word[2].pass_start),
            chain.tail.frame_last.eq(word[2].frame_last),
            chain.tail.entry_last.eq(word[2].entry_last),
            chain.tail.pass_last.eq(word[2].pass_last),
            accumulators.head_store.eq(word[0].store),
            accumulators.head_last.eq(word[0].entry_last),
            accumulators.head_half.eq(word[2].half),
            chain.begin.eq(word[3].first_entry),
            loader.context_free.eq(accumulators.frame_done),
            sequencer.loaded.eq(loader.loaded),
            accumulators.sums_tag.eq(chain.sums_tag),
            chain.load.eq(loader.load), chain.slot.eq(loader.slot),
            chain.weight.eq(loader.weight),
        ]
        m.d.comb += [tap.eq(line) for tap, line in zip(chain.taps, lines.o, strict=True)]
        for bank in range(target.banks):
            m.d.comb += [accumulators.sums[bank].eq(chain.sums[bank]),
                         chain.feed[bank].eq(accumulators.feed[bank])]
        m.d.comb += parameters.load.eq(loader.parameter_load)
        for name in ("bias", "shift", "index", "generation"):
            m.d.comb += getattr(parameters, name).eq(getattr(loader, name))

        self._drain(m, add, load, accumulators, parameters, loader, finished)

        m.d.sync += [
            self.active.eq(enable & words.o.store),
            self.stall_input.eq(running & ~samples.more & frames.starved),
            self.stall_weights.eq(running & ~words.more & sequencer.waiting),
            self.stall_output.eq(accumulators.wait),
        ]
        return m

    def _drain(self, m, add, load, accumulators, parameters, loader, finished):
        """Connect the accumulators to the drain streams."""
        config = self.config
        control = add("drain", DrainControl(self.target))
        m.d.comb += [
            control.passes.eq(config.passes), control.load.eq(load),
            control.pass_done.eq(accumulators.pass_done),
            accumulators.draining.eq(control.draining),
            accumulators.drain_half.eq(control.half),
            accumulators.half_free.eq(control.half_free),
            loader.pass_free.eq(control.half_free),
        ]

        word = data.StructLayout({
            "value": signed(self.target.accumulator_width), "shift": unsigned(6)})
        empty, saturated = [], []
        for index, port in enumerate((self.drain0, self.drain1)):
            addresses = add(f"drain{index}", DrainAddresses(self.target, index))
            fifo = add(f"fifo{index}", StreamFifo(word, _DRAIN_WORDS))
            requantise = add(f"requantise{index}", Requantise(self.target.accumulator_width))
            m.d.comb += [
                addresses.config.eq(config), addresses.go.eq(control.go),
                addresses.last_pass.eq(control.last_pass),
                control.active[index].eq(addresses.active),
                accumulators.read[index].eq(addresses.read),
                requantise.clear.eq(self.start),
            ]
            # The sum comes 4 cycles after its address. The bias makes it whole; until here it was
            # right modulo the accumulators' range.
            slot, valid = Cat(addresses.index, control.generation), addresses.read.valid
            for age in range(5):
                late_valid = Signal(name=f"valid{index}_{age}")
                m.d.sync += late_valid.eq(valid & ~self.start)
                valid = late_valid
            for age in range(3):
                late_slot = Signal.like(slot, name=f"slot{index}_{age}", reset_less=True)
                m.d.sync += late_slot.eq(slot)
                slot = late_slot
            value = Signal.like(accumulators.drained[index], name=f"value{index}",
                                reset_less=True)
            # Named before the sum: synthesis gives the carry chain the operand whose name comes
            # first, and what joins the sum can share the other's LUTs.
            bias = Signal.like(parameters.drain_bias[index], name=f"bias{index}", reset_less=True)
            shifts = [Signal(6, name=f"shift{index}_{age}", reset_less=True) for age in range(2)]
            m.d.sync += [
                bias.eq(parameters.drain_bias[index]),
                value.eq(bias + accumulators.drained[index]),
                shifts[0].eq(parameters.drain_shift[index]), shifts[1].eq(shifts[0]),
            ]
            m.d.comb += [
                Cat(parameters.drain_index[index],
                    parameters.drain_generation[index]).eq(slot),
                fifo.i.valid.eq(valid), fifo.i.p.value.eq(value), fifo.i.p.shift.eq(shifts[1]),
            ]
            wiring.connect(m, fifo.o, requantise.i)
            wiring.connect(m, requantise.o, wiring.flipped(port))

            # Words from their address to their output: the FIFO has room for all of them.
            count = Signal(range(_DRAIN_WORDS + 1), name=f"count{index}")
            issue, leave = Signal(name=f"issue{index}"), Signal(name=f"leave{index}")
            m.d.comb += [
                addresses.enable.eq(count != _DRAIN_WORDS),
                issue.eq(addresses.active & addresses.enable),
                leave.eq(port.valid & port.ready),
            ]
            with m.If(self.start):
                m.d.sync += count.eq(0)
            with m.Else():
                m.d.sync += count.eq(step(count, issue, leave))
            empty.append(count == 0)
            saturated.append(requantise.saturated)

        m.d.comb += finished.eq(control.finished & empty[0] & empty[1])
        m.d.sync += self.saturated.eq(saturated[0] | saturated[1])
