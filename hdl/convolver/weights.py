"""Weight loader: distributes the weight stream to the contexts and the pass parameters."""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import enum, stream, wiring
from amaranth.lib.wiring import In, Out

from ..counting import count_down, step
from ..registers import PARAMETER_SLOTS
from .lane_constant import LaneConstant
from .parameters import PASSES
from .positions import convolver_layout

__all__ = ["WeightLoader"]


class _State(enum.Enum, shape=2):
    OFF = 0
    PARAMETERS = 1
    CONTEXT = 2


class WeightLoader(wiring.Component):
    """Load the parameters and the weight contexts of all passes, as far ahead as there is room.

    1 word a cycle. A context is loaded when one is free; the parameters of a pass when the last
    but three has been drained.

    Parameters
    ----------
    target : Target
        The machine.

    Members
    -------
    config : In(registers of unit ``convolver``)
    begin : In(1)
        Begin; once after reset.
    i : In(stream of signed(16))
        For each pass the parameters, then the weights of each frame.
    load : Out(macs), slot : Out(unsigned), weight : Out(signed(16))
        Write ports of the MACs.
    parameter_load : Out(1)
        Write ``bias`` and ``shift`` at slot ``index`` of pass ``generation``.
    bias : Out(signed(36)), shift : Out(6), index : Out(4), generation : Out(2)
        ``generation`` is the pass number modulo 4, ``index`` group * lanes + lane.
    loaded : Out(1)
        A context has become complete.
    context_free, pass_free : In(1)
        A frame has left the chain; a pass has been drained.

    Source: docs/architecture.md, "Convolver", "Weights".
    """

    def __init__(self, target):
        self.target = target
        slots = range(PARAMETER_SLOTS)
        super().__init__({
            "config": In(convolver_layout(target)),
            "begin": In(1),
            "i": In(stream.Signature(signed(16))),
            "load": Out(target.macs),
            "slot": Out(range(target.contexts)),
            "weight": Out(signed(16)),
            "parameter_load": Out(1),
            "bias": Out(signed(target.accumulator_width)),
            "shift": Out(6),
            "index": Out(slots),
            "generation": Out(2),
            "loaded": Out(1),
            "context_free": In(1),
            "pass_free": In(1),
        })

    def elaborate(self, platform):
        m = Module()
        target, config = self.target, self.config

        m.submodules.used = used = LaneConstant(
            target, lambda lanes: lanes * target.lane_length(lanes))
        m.d.comb += used.lanes.eq(config.lanes)

        state = Signal(_State)
        passes = Signal.like(config.passes, reset_less=True)  # that are not complete
        entries = Signal.like(config.entries, reset_less=True)  # of the pass, counted down
        frames = Signal.like(config.interleave, reset_less=True)  # of the entry, counted down

        # Room is taken when the first word comes. Whether there is more is known a cycle later.
        contexts = Signal(range(target.contexts + 1), init=target.contexts)
        parameters = Signal(range(PASSES + 1), init=PASSES)
        inside = Signal()  # the first word of the context, or of the parameters, has been taken
        fire = Signal()
        context_room, pass_room = Signal(), Signal()
        room = Mux(state == _State.CONTEXT, context_room, pass_room)
        m.d.comb += [
            self.i.ready.eq((state != _State.OFF) & (inside | room)),
            fire.eq(self.i.valid & self.i.ready),
        ]
        first = fire & ~inside
        m.d.sync += [
            context_room.eq(contexts.any() & ~first),
            pass_room.eq(parameters.any() & ~first),
            contexts.eq(
                step(contexts, self.context_free, first & (state == _State.CONTEXT))),
            parameters.eq(
                step(parameters, self.pass_free, first & (state == _State.PARAMETERS))),
        ]

        # A register behind the counters: they step once a context, at most every other cycle.
        last_frame, last_entry, last_pass = Signal(), Signal(), Signal()
        m.d.sync += [last_frame.eq(frames == 0), last_entry.eq(entries == 0),
                     last_pass.eq(passes == 0)]

        done = self._contexts(m, state == _State.CONTEXT, fire, used.o)
        parameters_done = self._parameters(m, fire & (state == _State.PARAMETERS))
        with m.If(fire):
            m.d.sync += inside.eq(~(done | parameters_done))

        entry_done, pass_done = done & last_frame, done & last_frame & last_entry
        for left, limit, ended, turn in (
                (frames, config.interleave, last_frame, done),
                (entries, config.entries, last_entry, entry_done),
                (passes, config.passes, 0, pass_done)):
            with m.If(self.begin | turn):
                m.d.sync += left.eq(count_down(self.begin | ended, limit, left))

        with m.If(self.begin):
            m.d.sync += state.eq(_State.PARAMETERS)
        with m.Elif(parameters_done):
            m.d.sync += state.eq(_State.CONTEXT)
        with m.Elif(pass_done):
            m.d.sync += [self.generation.eq(self.generation + 1),
                         state.eq(Mux(last_pass, _State.OFF, _State.PARAMETERS))]

        return m

    def _contexts(self, m, active, fire, used):
        """Write weights while ``active``; return the signal that ends a context."""
        target = self.target
        # One bit runs along the MACs instead of a decoder. It is set back by a reset, and `here`
        # cleared by one: neither takes a look-up table a MAC.
        place = Signal(target.macs, init=1)
        left = Signal.like(used)
        done = Signal()
        word, written = Signal(), Signal()
        next_slot = Signal.like(self.slot)
        m.d.comb += [word.eq(active & fire), done.eq(word & (left == 0))]
        with m.If(fire | ~active):
            m.d.sync += left.eq(count_down(~active | (left == 0), used, left))
        m.d.sync += [self.load.eq(place), written.eq(done), self.loaded.eq(written)]
        with m.If(~word):
            m.d.sync += self.load.eq(0)
        with m.If(word):
            m.d.sync += [
                place.eq(place << 1),
                self.weight.eq(self.i.payload), self.slot.eq(next_slot),
                next_slot.eq(next_slot + done),
            ]
        with m.If(done):
            m.d.sync += place.eq(1)
        return done

    def _parameters(self, m, fire):
        """Write biases and shifts; return the signal that ends the parameters of a pass."""
        config = self.config
        word = Signal(4, init=1)
        lanes_left = Signal.like(config.lanes)
        groups_left = Signal.like(config.interleave)
        index = Signal.like(self.index)
        last_lane, last_group, complete, done = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            last_lane.eq(lanes_left == 0), last_group.eq(groups_left == 0),
            complete.eq(fire & word[3]), done.eq(complete & last_lane & last_group),
        ]
        for at in range(3):
            part = self.bias[16 * at:16 * at + 16]
            with m.If(fire & word[at]):
                m.d.sync += part.eq(self.i.payload[:len(part)])
        with m.If(fire):
            m.d.sync += word.eq(word.rotate_left(1))

        start = self.begin | done
        with m.If(self.begin | complete):
            m.d.sync += [lanes_left.eq(count_down(start | last_lane, config.lanes, lanes_left)),
                         index.eq(Mux(start, 0, index + 1))]
        with m.If(self.begin | (complete & last_lane)):
            m.d.sync += groups_left.eq(count_down(start, config.interleave, groups_left))

        m.d.sync += self.parameter_load.eq(complete)
        with m.If(complete):
            m.d.sync += [self.shift.eq(self.i.payload[:6]), self.index.eq(index)]
        return done
