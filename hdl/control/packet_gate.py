"""Lets configuration packets through to the bus once every check has passed."""

import operator

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..config_network import CLEAR_UNIT, ConfigBus
from .host_registers import ErrorCode
from .packet_checks import MAX_PAYLOAD, OVERHEAD, POSITION_BITS, PacketChecks
from .word_reader import FetchedWord

__all__ = ["PacketGate"]

# Cycles from the bus to a shadow register, but for the hops.
_NODE_LATENCY = 5


class PacketGate(wiring.Component):
    """Takes the words of a step's packets, checks each packet, then puts it on the bus.

    A packet is stored while it arrives, one word a cycle, and sent one word a cycle; five cycles
    of each packet are spent on its length, on looking up its unit and on the verdict. A packet
    that fails changes nothing, and nothing is taken after it.

    Parameters
    ----------
    rules : PacketRules
        What packets may say.
    depth : int
        Longest payload in words, a power of two from 2 to 1024.

    Members
    -------
    start : In(1)
        Begin a step; ignored while ``busy``.
    words : In(24)
        Words of its packets; taken at ``start``.
    clear : In(1)
        Set all shadow registers of all nodes to 0; ignored while ``busy``.
    busy : Out(1)
        From the cycle after ``start`` or ``clear`` until the last word has reached its node.
    error : Out(8)
        `ErrorCode` of the packet that failed, 0 for none; cleared by ``start``.
    error_packet, error_word : Out(24), Out(11)
        Number of the packet, and of its word: 0 for the header.
    i : In(stream of FetchedWord)
    bus : Out(ConfigBus)

    Raises
    ------
    TypeError
        If ``depth`` is not an integer.
    ValueError
        If ``depth`` is out of range.

    Source: docs/architecture.md, "Configuration packets".
    """

    def __init__(self, rules, *, depth=MAX_PAYLOAD):
        self.rules = rules
        self.depth = operator.index(depth)
        if not 2 <= self.depth <= MAX_PAYLOAD or self.depth & (self.depth - 1):
            raise ValueError(f"depth must be a power of two in 2..{MAX_PAYLOAD}, not {depth}")
        super().__init__({
            "start": In(1), "words": In(24), "clear": In(1), "busy": Out(1),
            "error": Out(8), "error_packet": Out(24), "error_word": Out(POSITION_BITS),
            "i": In(stream.Signature(FetchedWord())),
            "bus": Out(ConfigBus()),
        })

    def _make_checks(self):
        return PacketChecks(self.rules)

    def elaborate(self, platform):
        m = Module()
        word = self.i.payload.data
        words_left, packet = Signal(24), Signal(24)
        position = Signal(POSITION_BITS)
        # The last step was a `clear`, whose word belongs to no packet.
        clearing = Signal()

        checks = m.submodules.checks = self._make_checks()
        header = checks.header
        m.d.comb += [
            checks.word.eq(word),
            checks.position.eq(position),
            checks.taken.eq(self.i.valid & self.i.ready),
            checks.sequence.eq(packet),
        ]
        with m.If(checks.taken):
            m.d.sync += position.eq(position + 1)

        buffer = m.submodules.buffer = Memory(shape=32, depth=self.depth, init=[])
        store, load = buffer.write_port(), buffer.read_port()
        sent = Signal(range(self.depth))
        m.d.comb += [
            store.addr.eq(position - (OVERHEAD - 1)),
            store.data.eq(word),
            load.addr.eq(sent),
        ]

        m.d.sync += self.bus.valid.eq(0)
        m.d.comb += [
            self.bus.mask.eq(Mux(clearing, self.rules.nodes, checks.mask)),
            self.bus.unit.eq(Mux(clearing, CLEAR_UNIT, header.unit)),
            self.bus.data.eq(load.data),
        ]

        def fail(code, where):
            m.d.sync += [self.error.eq(code), self.error_packet.eq(packet),
                         self.error_word.eq(where)]
            m.next = "IDLE"

        def take(*, then):
            """Take one word, and go on unless memory failed."""
            m.d.comb += self.i.ready.eq(1)
            with m.If(self.i.valid & self.i.payload.failed):
                fail(ErrorCode.LOADER_MEMORY, position)
            with m.Elif(self.i.valid):
                then()

        # Of the packet: position of its last payload word; its length cannot be.
        end, impossible = Signal(POSITION_BITS), Signal()
        hops = self.rules.nodes.bit_length() + _NODE_LATENCY
        drained = Signal(range(hops + 1))

        with m.FSM() as fsm:
            m.d.comb += self.busy.eq(~fsm.ongoing("IDLE"))

            with m.State("IDLE"):
                m.d.sync += [words_left.eq(self.words), packet.eq(0), position.eq(0),
                             drained.eq(0)]
                with m.If(self.start):
                    m.d.sync += [self.error.eq(0), clearing.eq(0)]
                    with m.If(self.words != 0):
                        m.next = "HEADER"
                with m.Elif(self.clear):
                    m.d.sync += [clearing.eq(1), self.bus.valid.eq(1), self.bus.offset.eq(0)]
                    m.next = "DRAIN"

            with m.State("HEADER"):
                def begin():
                    m.next = "LENGTH"
                take(then=begin)

            with m.State("LENGTH"):
                total = header.length + OVERHEAD
                m.d.sync += [
                    words_left.eq(words_left - total),
                    end.eq(header.length + (OVERHEAD - 2)),
                    impossible.eq((header.length == 0) | (header.length > self.depth)
                                  | (total > words_left)),
                ]
                m.next = "MASK"

            with m.State("MASK"):
                def look_up():
                    m.next = "LOOK-UP"
                with m.If(impossible):
                    fail(ErrorCode.LOADER_LENGTH, 0)
                with m.Else():
                    take(then=look_up)

            with m.State("LOOK-UP"):
                m.next = "PAYLOAD"

            with m.State("PAYLOAD"):
                def keep():
                    m.d.comb += store.en.eq(1)
                    with m.If(position == end):
                        m.next = "CRC"
                take(then=keep)

            with m.State("CRC"):
                def settle():
                    m.next = "SETTLE"
                take(then=settle)

            with m.State("SETTLE"):
                m.d.sync += sent.eq(0)
                m.next = "VERDICT"

            with m.State("VERDICT"):
                m.next = "SEND"
                with m.If(checks.code != 0):
                    fail(checks.code, checks.bad_word)

            with m.State("SEND"):
                m.d.sync += [
                    self.bus.valid.eq(1),
                    self.bus.offset.eq(header.offset + sent),
                    sent.eq(sent + 1),
                ]
                with m.If(sent == header.length - 1):
                    # Header and mask stay for one more cycle, in which the last word is sent.
                    m.d.sync += [packet.eq(packet + 1), position.eq(0)]
                    m.next = "HEADER"
                    with m.If(words_left == 0):
                        m.next = "DRAIN"

            with m.State("DRAIN"):
                m.d.sync += drained.eq(drained + 1)
                with m.If(drained == hops):
                    m.next = "IDLE"

        return m
