"""The configuration loader: packets from memory, checked, to the configuration bus."""

from amaranth.hdl import Module, ResetInserter
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..axi import ReadMaster
from ..config_network import ConfigBus
from ..stream import SkidBuffer
from .packet_checks import POSITION_BITS
from .packet_gate import PacketGate
from .packet_rules import packet_rules
from .word_reader import FetchedWord, WordReader

__all__ = ["ConfigLoader"]


class ConfigLoader(wiring.Component):
    """Loads the packets of a step into the shadow registers.

    Two cycles a payload word and eight a packet, besides the latency of the first burst. A packet
    that fails a check changes nothing and stops the loader.

    Parameters
    ----------
    target : Target
        The machine.
    patience : int
        Cycles without an answer from memory after which a read counts as failed.

    Members
    -------
    start : In(1)
        Begin; ignored while ``busy``.
    address : In(32)
        Byte address of the first packet, a multiple of 4; taken at ``start``.
    words : In(24)
        Words of all packets; taken at ``start``.
    clear : In(1)
        Set all shadow registers of all nodes to 0; ignored while ``busy``.
    abort : In(1)
        Stop. Bursts that have been asked for are still received; their data is dropped.
    busy : Out(1)
        From the cycle after ``start`` or ``clear`` until the last word has reached its node.
    error : Out(8)
        `ErrorCode` of the packet that failed, 0 for none; cleared by ``start`` and ``abort``.
    error_packet, error_word : Out(24), Out(11)
        Number of the packet in the step, and of its word: 0 for the header.
    bus : Out(ConfigBus)
    read : Out(ReadMaster(target.data_width))

    Source: docs/architecture.md, "Configuration packets".
    """

    def __init__(self, target, *, patience=1 << 16):
        self.target = target
        self.patience = patience
        super().__init__({
            "start": In(1), "address": In(32), "words": In(24), "clear": In(1), "abort": In(1),
            "busy": Out(1), "error": Out(8), "error_packet": Out(24),
            "error_word": Out(POSITION_BITS),
            "bus": Out(ConfigBus()), "read": Out(ReadMaster(target.data_width)),
        })

    def elaborate(self, platform):
        m = Module()
        reader = m.submodules.reader = WordReader(self.target.data_width, patience=self.patience)
        gate = PacketGate(packet_rules(self.target))
        m.submodules.gate = ResetInserter(self.abort)(gate)
        # A register between the words' way out of the beats and the checks.
        m.submodules.words = words = SkidBuffer(FetchedWord())
        wiring.connect(m, reader.o, words.i)
        wiring.connect(m, words.o, gate.i)
        wiring.connect(m, reader.bus, wiring.flipped(self.read))
        wiring.connect(m, gate.bus, wiring.flipped(self.bus))
        m.d.comb += [
            gate.start.eq(self.start & ~self.busy),
            gate.words.eq(self.words),
            gate.clear.eq(self.clear & ~self.busy),
            reader.start.eq(gate.start & (self.words != 0)),
            reader.address.eq(self.address),
            reader.words.eq(self.words),
            words.clear.eq(gate.start | reader.abort),
            reader.abort.eq(self.abort | (reader.busy & (gate.error != 0))),
            self.busy.eq(gate.busy | reader.busy),
            self.error.eq(gate.error),
            self.error_packet.eq(gate.error_packet),
            self.error_word.eq(gate.error_word),
        ]
        return m
