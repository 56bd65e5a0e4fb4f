"""From samples with addresses to memory: beats with strobes, in bursts."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ..axi import OKAY, WriteDataLayout, WriteMaster
from ..stream import StreamFifo
from .address import MarkedAddress
from .coalescer import BurstLayout, Coalescer, lane_bits

__all__ = ["AddressedSample", "Store"]

#: Beats and bursts that may wait for the bus, and the room that samples on their way need: those
#: of `Coalescer.LATENCY` and four more cycles until ``room`` has fallen.
_BEATS, _BURSTS, _MARGIN = 32, 16, Coalescer.LATENCY + 5

#: Most bursts without a response.
_OUTSTANDING = 16


class AddressedSample(data.StructLayout):
    """A sample and where it goes."""

    def __init__(self):
        super().__init__({"sample": signed(16), "place": MarkedAddress()})


class Store(wiring.Component):
    """Write samples to a stream of addresses.

    A sample joins the beat of its predecessor, a beat the burst of its predecessor, if it
    continues it; of two samples for one address the later one stays. A burst is requested when
    all its beats are there, so it never holds up the bus; the last one when the sample marked
    last has come. 1 sample a cycle while the bus takes the bursts; at most 16 bursts wait for
    their response.

    Parameters
    ----------
    data_width : int
        Bits of a beat: 32, 64, 128, 256 or 512.

    Members
    -------
    i : In(stream of AddressedSample)
        Samples and addresses in samples.
    bus : Out(WriteMaster(data_width))
    start : In(1)
        Begin a transfer, in a cycle in which it is not busy. The first sample comes later.
    abort : In(1)
        Request no more bursts; send the beats of those already requested without strobes. May
        stay high.
    busy : Out(1)
        From the cycle behind ``start`` until the last burst's response has come, or until all
        responses of an aborted transfer have.
    error : Out(1)
        A response with an error came in the cycle before.

    Raises
    ------
    TypeError
        If ``data_width`` is not an integer.
    ValueError
        If ``data_width`` is out of range.

    Source: ARM IHI 0022, A3; docs/architecture.md, "DMA port".
    """

    def __init__(self, data_width):
        self.data_width = data_width
        self.lane_bits = lane_bits(data_width)
        super().__init__({
            "i": In(stream.Signature(AddressedSample())),
            "bus": Out(WriteMaster(data_width)),
            "start": In(1), "abort": In(1), "busy": Out(1), "error": Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        running, draining = Signal(), Signal()
        self._held = Signal(range(_BEATS + 1))  # beats that wait to be taken
        # All samples are in beats; bursts on their way that have no response.
        complete, outstanding = Signal(), Signal(range(_OUTSTANDING + 1))
        clear = self.start | self.abort

        m.submodules.bursts = bursts = StreamFifo(BurstLayout(self.data_width), _BURSTS)
        m.d.comb += bursts.clear.eq(clear)

        beat, leaves = self._pack(m, bursts, clear, running, complete)
        self._keep(m, beat, leaves, draining)
        issue, waiting = self._request(m, bursts, running, outstanding)

        b = self.bus.b
        m.d.sync += [
            outstanding.eq(outstanding + issue - b.valid),
            self.error.eq(b.valid & (b.payload != OKAY)),
        ]

        m.d.comb += self.busy.eq(running | draining)
        with m.If(self.abort):
            m.d.sync += running.eq(0)
        with m.Elif(self.start):
            m.d.sync += running.eq(1)
        with m.Elif((outstanding == 0) & complete & ~waiting):
            m.d.sync += running.eq(0)
        with m.If(self.abort & running):
            m.d.sync += draining.eq(1)
        with m.Elif(outstanding == 0):
            m.d.sync += draining.eq(0)

        return m

    def _pack(self, m, bursts, clear, running, complete):
        """Collect samples in beats, beats in bursts; return the beat, and whether it leaves."""
        m.submodules.coalescer = coalescer = Coalescer(self.data_width)

        # Nothing behind here waits: samples are taken only while there is room for all of them.
        room, ended, taken = Signal(), Signal(), Signal()
        m.d.comb += [
            self.i.ready.eq(room),
            taken.eq(self.i.valid & self.i.ready),
            coalescer.clear.eq(clear),
            coalescer.i.valid.eq(taken),
            coalescer.i.payload.eq(self.i.p.place),
        ]
        m.d.sync += room.eq(~clear & running & (self._held < _BEATS - _MARGIN)
                            & (bursts.level < _BURSTS - _MARGIN))

        sample = self.i.p.sample
        for stage in range(Coalescer.LATENCY):
            delayed = Signal(signed(16), name=f"sample{stage}")
            m.d.sync += delayed.eq(sample)
            sample = delayed

        # The beat that is being filled leaves with the next beat's first sample, or, like the
        # last burst, behind the last sample.
        filling, arrives, leaves = Signal(), Signal(), Signal()
        lanes = self.data_width // 16
        beat, written = Signal(data.ArrayLayout(16, lanes), reset_less=True), Signal(lanes)
        place, burst = coalescer.o, coalescer.burst
        m.d.comb += [
            arrives.eq(place.valid),
            leaves.eq(filling & ((arrives & place.p.advance) | burst.valid)),
            bursts.i.valid.eq(burst.valid),
            bursts.i.payload.eq(burst.payload),
        ]
        for lane in range(lanes):
            with m.If(arrives & (place.p.lane == lane)):
                m.d.sync += [beat[lane].eq(sample), written[lane].eq(1)]
            with m.Elif(arrives & place.p.advance):
                m.d.sync += written[lane].eq(0)
        with m.If(clear | (burst.valid & ~arrives)):
            m.d.sync += filling.eq(0)
        with m.Elif(arrives):
            m.d.sync += filling.eq(1)
        with m.If(arrives & place.p.last):
            m.d.sync += ended.eq(1)
        with m.If(ended & burst.valid):
            m.d.sync += complete.eq(1)
        with m.If(clear):
            m.d.sync += [ended.eq(0), complete.eq(0)]
        return WriteDataLayout(self.data_width)(Cat(beat, written)), leaves

    def _keep(self, m, beat, leaves, draining):
        """Keep the beats until they are taken; those of an aborted transfer lose their strobes."""
        m.submodules.beats = beats = memory.Memory(
            shape=WriteDataLayout(self.data_width), depth=_BEATS, init=[],
            attrs={"ram_style": "distributed"})
        write, read = beats.write_port(), beats.read_port(domain="comb")
        take, held = self.bus.take, self._held
        w = Signal(WriteDataLayout(self.data_width), reset_less=True)
        m.d.comb += [write.en.eq(leaves), write.data.eq(beat), self.bus.w.eq(w)]
        m.d.sync += [
            write.addr.eq(write.addr + leaves),
            read.addr.eq(read.addr + take),
            w.data.eq(Mux(take, read.data.data, 0)),
            w.strobe.eq(Mux(take & ~draining, read.data.strobe, 0)),
        ]
        with m.If(leaves != take):
            m.d.sync += held.eq(held + Cat(Const(1, 1), take.replicate(len(held) - 1)))
        with m.If(self.start):
            # What was never requested; an abort keeps what was.
            m.d.sync += [held.eq(0), write.addr.eq(0), read.addr.eq(0)]

    def _request(self, m, bursts, running, outstanding):
        """Offer bursts; return whether one goes now, and whether any waits."""
        issue, allowed = Signal(), Signal()
        aw = self.bus.aw
        m.d.sync += allowed.eq(outstanding < _OUTSTANDING - 1)
        m.d.comb += [
            issue.eq(running & bursts.o.valid & (~aw.valid | aw.ready)
                     & allowed),
            bursts.o.ready.eq(issue),
        ]
        with m.If(issue):
            m.d.sync += [
                aw.valid.eq(1),
                aw.p.address.eq(bursts.o.p.beat << self.lane_bits + 1),
                aw.p.length.eq(bursts.o.p.length),
            ]
        with m.Elif(aw.ready):
            m.d.sync += aw.valid.eq(0)
        return issue, bursts.o.valid | (bursts.level != 0)
