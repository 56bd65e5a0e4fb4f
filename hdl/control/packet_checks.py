"""The checks that a configuration packet must pass."""

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.crc.catalog import CRC32_ISO_HDLC
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..registers import OFFSET_BITS, UNIT_BITS
from ..target import MAX_NODES
from .host_registers import ErrorCode

__all__ = ["MAX_PAYLOAD", "OVERHEAD", "POSITION_BITS", "HeaderLayout", "PacketChecks"]

#: Payload words of the longest packet.
MAX_PAYLOAD = 1 << OFFSET_BITS

#: Words of a packet beside its payload: header, node mask, CRC.
OVERHEAD = 3

#: Bits that count the words of a packet.
POSITION_BITS = (MAX_PAYLOAD + OVERHEAD - 1).bit_length()


class HeaderLayout(data.StructLayout):
    """Word 0 of a packet."""

    def __init__(self):
        super().__init__({"length": unsigned(OFFSET_BITS + 1), "offset": unsigned(OFFSET_BITS),
                          "unit": unsigned(UNIT_BITS), "sequence": unsigned(7)})


class PacketChecks(wiring.Component):
    """Watches the words of a packet go by and judges it.

    The verdict stands two cycles after the CRC was taken, until the next packet's header is. The
    first payload word must come at least two cycles after the node mask.

    Parameters
    ----------
    rules : PacketRules
        What packets may say.

    Members
    -------
    word : In(32)
    position : In(11)
        Which word of the packet it is, 0 for the header.
    taken : In(1)
        The word counts in this cycle.
    sequence : In(7)
        Sequence number that the packet must have.
    header : Out(HeaderLayout)
        Word 0, from the cycle after it was taken.
    mask : Out(32)
        Word 1, from the cycle after it was taken.
    code : Out(8)
        `ErrorCode` of the first check that failed, 0 for none. Checks come in the order of their
        codes; the length is not among them.
    bad_word : Out(11)
        Position of the word at fault.

    Source: docs/architecture.md, "Configuration packets".
    """

    def __init__(self, rules):
        self.rules = rules
        super().__init__({
            "word": In(32), "position": In(POSITION_BITS), "taken": In(1), "sequence": In(7),
            "header": Out(HeaderLayout()), "mask": Out(MAX_NODES),
            "code": Out(8), "bad_word": Out(POSITION_BITS),
        })

    def _make_crc(self):
        return CRC32_ISO_HDLC(32).create()

    def elaborate(self, platform):
        m = Module()
        header, mask, rules = self.header, self.mask, self.rules
        first_word = self.taken & (self.position == 0)
        payload = self.taken & (self.position > 1)
        # Offset of the next payload word; the CRC is looked up like one, but never judged.
        offset = Signal(OFFSET_BITS + 1)
        with m.If(first_word):
            m.d.sync += [header.eq(self.word), offset.eq(HeaderLayout()(self.word).offset)]
        with m.Elif(payload):
            m.d.sync += offset.eq(offset + 1)
        with m.If(self.taken & (self.position == 1)):
            m.d.sync += mask.eq(self.word)

        crc = m.submodules.crc = self._make_crc()
        m.d.comb += [crc.data.eq(self.word), crc.valid.eq(self.taken), crc.start.eq(first_word)]

        node_ok, unit_ok = Signal(), Signal()
        words, uniform = Signal(OFFSET_BITS + 1), Signal()
        first = Signal(range(len(rules.limits) + 1))
        m.d.sync += [node_ok.eq(0), unit_ok.eq(0), words.eq(0), first.eq(0), uniform.eq(0)]
        for group, (nodes, _) in enumerate(rules.groups):
            with m.If((mask != 0) & ((mask & ~nodes) == 0)):
                m.d.sync += node_ok.eq(1)
                with m.Switch(header.unit):
                    for owner, number, rule, index in rules.units():
                        if owner != group:
                            continue
                        with m.Case(number):
                            m.d.sync += [
                                unit_ok.eq((mask & ~rule.nodes) == 0),
                                words.eq(rule.words),
                                first.eq(index),
                                uniform.eq(rule.uniform),
                            ]

        # Of the header alone, a cycle behind it.
        beyond, end = Signal(), Signal(POSITION_BITS)
        m.d.sync += [beyond.eq(header.offset + header.length > words),
                     end.eq(header.length + (OVERHEAD - 1))]
        value_bad, value_word = self._judge_values(
            m, first + Mux(uniform, 0, offset), payload & (self.position != end))

        self._judge(m, (
            (ErrorCode.LOADER_CRC, ~crc.match_detected, end),
            (ErrorCode.LOADER_SEQUENCE, header.sequence != self.sequence, 0),
            (ErrorCode.LOADER_NODE, ~node_ok, 1),
            (ErrorCode.LOADER_UNIT, ~unit_ok, 0),
            (ErrorCode.LOADER_OFFSET, beyond, 0),
            (ErrorCode.LOADER_VALUE, value_bad, value_word),
        ))
        return m

    def _judge(self, m, checks):
        """Name the first of (code, failed, position of the word) that failed, in a register."""
        m.d.sync += self.code.eq(0)
        for code, failed, where in reversed(checks):
            with m.If(failed):
                m.d.sync += [self.code.eq(code), self.bad_word.eq(where)]

    def _judge_values(self, m, index, judge):
        """Compare payload words with their limits; return (one failed, the first that did)."""
        limit = data.StructLayout({"highest": unsigned(32), "signed": unsigned(1)})
        table = m.submodules.limits = Memory(shape=limit, depth=len(self.rules.limits), init=[
            {"highest": item.highest, "signed": item.signed} for item in self.rules.limits])
        read = table.read_port()
        m.d.comb += read.addr.eq(index)

        word, position, judged = Signal(32), Signal(POSITION_BITS), Signal()
        m.d.sync += [word.eq(self.word), position.eq(self.position), judged.eq(judge)]

        # Of a negative number -n the complement, n - 1, has the same limit as positive ones.
        magnitude = Mux(read.data.signed & word[31], ~word, word)[:32]
        bad, bad_position = Signal(), Signal(POSITION_BITS)
        with m.If(self.taken & (self.position == 0)):
            m.d.sync += bad.eq(0)
        with m.Elif(judged & ~bad & (magnitude > read.data.highest)):
            m.d.sync += [bad.eq(1), bad_position.eq(position)]
        return bad, bad_position
