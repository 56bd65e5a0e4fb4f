"""Sequencer: what the heads of the lanes do in each chain cycle, and when they must wait."""

from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..counting import step
from ..registers import PARAMETER_SLOTS
from .positions import Positions, convolver_layout

__all__ = ["HeadWord", "Sequencer"]


class HeadWord(data.StructLayout):
    """One chain cycle of the heads; all zero (but ``half``) outside of frames."""

    def __init__(self, target):
        super().__init__({
            "row_start": unsigned(1),
            "frame_start": unsigned(1),
            "context": range(target.contexts),
            "store": unsigned(1),  # the output is kept
            "first_entry": unsigned(1),  # sums begin with the bias
            "group": range(PARAMETER_SLOTS),
            "half": unsigned(1),  # of the accumulators
            "pass_start": unsigned(1),
            "frame_last": unsigned(1),
            "entry_last": unsigned(1),
            "pass_last": unsigned(1),
        })


class Sequencer(wiring.Component):
    """Give the head's word of every chain cycle, in order.

    First ``config.skip`` empty words, then one for each frame position, then empty words for
    ever. 1 word a cycle. The first word of a frame waits for its weight context.

    Parameters
    ----------
    target : Target
        The machine.

    Members
    -------
    config : In(registers of unit ``convolver``)
    load : In(1)
        Begin; once after reset.
    loaded : In(1)
        A context has become complete.
    o : Out(stream of HeadWord)
    waiting : Out(1)
        The next word needs a context that is not complete.

    Source: docs/architecture.md, "Convolver", "Sequence".
    """

    def __init__(self, target):
        self.target = target
        super().__init__({
            "config": In(convolver_layout(target)),
            "load": In(1),
            "loaded": In(1),
            "o": Out(stream.Signature(HeadWord(target))),
            "waiting": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        target, config = self.target, self.config

        m.submodules.positions = positions = Positions(target, len(config.skip))
        m.d.comb += [
            positions.config.eq(config), positions.idle.eq(config.skip),
            positions.load.eq(self.load),
        ]
        position = positions.o.p

        valid, moves, advance = Signal(), Signal(), Signal()
        word = Signal(HeadWord(target), reset_less=True)
        next_context = Signal(range(target.contexts))
        m.d.comb += [advance.eq(~valid | moves), positions.o.ready.eq(advance)]
        with m.If(advance):
            m.d.sync += [
                valid.eq(positions.o.valid),
                word.store.eq(position.real & (position.column < config.out_width)
                              & (position.row < config.out_height)),
            ]
            for field in ("row_start", "frame_start", "first_entry", "group", "half",
                          "pass_start", "frame_last", "entry_last", "pass_last"):
                m.d.sync += word[field].eq(position[field])
            # The context steps with the first word of a frame and stays through it.
            with m.If(position.frame_start & positions.o.valid):
                m.d.sync += [word.context.eq(next_context), next_context.eq(next_context + 1)]

        contexts = Signal(range(target.contexts + 1))  # complete, not begun by the head
        loaded, blocked = Signal(), Signal()  # `loaded`: at least one
        taken = valid & moves & word.frame_start
        m.d.comb += [
            blocked.eq(word.frame_start & ~loaded),
            self.waiting.eq(valid & blocked),
            self.o.valid.eq(valid & ~blocked),
            self.o.payload.eq(word),
            moves.eq(self.o.ready & ~blocked),
        ]
        m.d.sync += [
            contexts.eq(step(contexts, self.loaded, taken)),
            loaded.eq((contexts > 1) | ((contexts == 1) & ~taken)),
        ]

        return m
