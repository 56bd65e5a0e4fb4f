"""Prove that configuration reaches the bus only from packets that passed every check.

A small gate: two tiles, of which one has a second unit, a DMA port, payloads of up to two words.
The specification takes down each packet as it is taken and judges it by rules of its own. In place
of the CRC stands the exclusive or of all words, which a solver can invert; the unit tests compare
the CRC with zlib. The check holds for the first packet of a step and the one after it.

Run: ``python -m formal.config_loader``.
"""

from amaranth.hdl import Assert, Const, Cover, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from formal._sby import Proof, keeps_contract, prove
from hdl.config_network import CLEAR_UNIT
from hdl.control.host_registers import ErrorCode
from hdl.control.packet_checks import HeaderLayout, PacketChecks
from hdl.control.packet_gate import PacketGate
from hdl.control.packet_rules import Limit, PacketRules, UnitRule

DEPTH = 2
RULES = PacketRules((
    (0b011, {0: UnitRule(0b011, 3, (Limit(5), Limit(1, signed=True), Limit(9))),
             6: UnitRule(0b010, 1, (Limit(3),))}),
    (0b100, {3: UnitRule(0b100, 2, (Limit(2),))}),
))


class Parity(wiring.Component):
    """Stands in for the CRC processor: a packet matches when its words cancel out."""

    start: In(1)
    valid: In(1)
    data: In(32)
    match_detected: Out(1)

    def elaborate(self, platform):
        m = Module()
        parity = Signal(32)
        m.d.comb += self.match_detected.eq(parity == 0)
        with m.If(self.valid):
            m.d.sync += parity.eq(Mux(self.start, 0, parity) ^ self.data)
        return m


class OnlyGoodPackets(Proof):
    """State that a word on the bus belongs to the packet last taken, and that it is good."""

    def elaborate(self, platform):
        m = self.module()
        m.submodules.dut = dut = self.dut
        keeps_contract(m, {"i": dut.i}, {}, clear=Const(0, 1))
        taken, word = dut.i.valid & dut.i.ready, dut.i.payload.data

        # What was taken, and how much of it was sent.
        header, mask = Signal(HeaderLayout()), Signal(32)
        payload = [Signal(32, name=f"payload{index}") for index in range(DEPTH)]
        position, complete, tainted = Signal(3), Signal(), Signal()
        packets, sent = Signal(24), Signal(2)
        crc = m.submodules.crc = Parity()
        m.d.comb += [crc.data.eq(word), crc.valid.eq(taken),
                     crc.start.eq(taken & ((position == 0) | complete))]
        with m.If(taken):
            m.d.sync += [position.eq(position + 1), tainted.eq(tainted | dut.i.payload.failed)]
            with m.If((position == 0) | complete):
                m.d.sync += [header.eq(word), position.eq(1), complete.eq(0), sent.eq(0),
                             tainted.eq(dut.i.payload.failed), packets.eq(packets + complete)]
            with m.Elif(position == 1):
                m.d.sync += mask.eq(word)
            with m.Else():
                for index in range(DEPTH):
                    with m.If(position == 2 + index):
                        m.d.sync += payload[index].eq(word)
                m.d.sync += complete.eq(position == header.length + 2)
        with m.If(dut.start & ~dut.busy):
            m.d.sync += [position.eq(0), complete.eq(0), packets.eq(0)]

        bus = dut.bus
        with m.If(bus.valid & (bus.unit == CLEAR_UNIT)):
            m.d.comb += [Assert(bus.mask == RULES.nodes), Assert(~dut.i.ready)]
        with m.Elif(bus.valid):
            # The next header may be taken with the last word on the bus.
            with m.If(~taken):
                m.d.sync += sent.eq(sent + 1)
            m.d.comb += [
                Assert(complete & crc.match_detected & ~tainted & (dut.error == 0)),
                Assert(header.sequence == packets[:7]),
                Assert((bus.mask == mask) & (bus.unit == header.unit)),
                Assert((sent < header.length) & (header.length <= DEPTH)),
                Assert(bus.offset == header.offset + sent),
                Assert(bus.data == Mux(sent == 0, payload[0], payload[1])),
                Assert(self._legal(bus, header)),
                Cover(packets == 1),
            ]
        for code in (ErrorCode.LOADER_CRC, ErrorCode.LOADER_VALUE, ErrorCode.LOADER_MEMORY):
            m.d.comb += Cover(dut.error == code)
        return m

    def _legal(self, bus, header):
        """Three units, written out: no use of the tables that the gate is made from."""
        data, end = bus.data, header.offset + header.length
        tiles = ((bus.mask != 0) & (bus.mask <= 0b11) & (bus.unit == 0) & (end <= 3)
                 & (((bus.offset == 0) & (data <= 5))
                    | ((bus.offset == 1) & ((data <= 1) | (data >= 0xFFFFFFFE)))
                    | ((bus.offset == 2) & (data <= 9))))
        tile = (bus.mask == 0b10) & (bus.unit == 6) & (end <= 1) & (data <= 3)
        port = (bus.mask == 0b100) & (bus.unit == 3) & (end <= 2) & (data <= 2)
        return tiles | tile | port


class NothingAfterAnError(Proof):
    """State that after an error nothing is taken or sent until the next start, but a clear."""

    def elaborate(self, platform):
        m = self.module()
        m.submodules.dut = dut = self.dut
        error, started = Signal.like(dut.error), Signal()
        m.d.sync += [error.eq(dut.error), started.eq(dut.start & ~dut.busy)]
        with m.If((error != 0) & ~started):
            m.d.comb += Assert(dut.error == error)
        with m.If(dut.error != 0):
            m.d.comb += [
                Assert(~dut.i.ready),
                Assert(~dut.bus.valid | (dut.bus.unit == CLEAR_UNIT)),
                Cover(dut.bus.valid),
            ]
        return m


class ParityChecks(PacketChecks):
    """Checks with the stand-in for the CRC, of which one may be left out."""

    def __init__(self, rules, blind_to=None):
        self.blind_to = blind_to
        super().__init__(rules)

    def _make_crc(self):
        return Parity()

    def _judge(self, m, checks):
        super()._judge(m, tuple(check for check in checks if check[0] != self.blind_to))


class ParityGate(PacketGate):
    """A gate with these checks: ``blind_to`` names the error that it does not see."""

    def __init__(self, blind_to=None):
        self.blind_to = blind_to
        super().__init__(RULES, depth=DEPTH)

    def _make_checks(self):
        return ParityChecks(self.rules, self.blind_to)


def gate_ports(dut):
    """Signals that the solver chooses."""
    return [dut.start, dut.words, dut.clear, dut.i.valid, dut.i.payload]


def main():
    """Run all proofs; raise ProofError when one goes wrong."""
    dut = PacketGate(RULES, depth=DEPTH)
    prove("configuration: nothing after an error", NothingAfterAnError(dut), gate_ports(dut),
          depth=16)
    dut = ParityGate()
    prove("configuration: only good packets", OnlyGoodPackets(dut), gate_ports(dut), depth=21,
          bounded=True)
    # Not the check of nodes: without it the check of units refuses the same packets.
    for code in (ErrorCode.LOADER_CRC, ErrorCode.LOADER_SEQUENCE, ErrorCode.LOADER_UNIT,
                 ErrorCode.LOADER_OFFSET, ErrorCode.LOADER_VALUE):
        dut = ParityGate(code)
        prove(f"configuration, blind to {code.name}", OnlyGoodPackets(dut), gate_ports(dut),
              depth=14, expect_fail=True)


if __name__ == "__main__":
    main()
