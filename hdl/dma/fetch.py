"""From sample addresses to samples: bursts out, beats back, samples in order."""

from amaranth.hdl import Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..axi import OKAY, ReadMaster
from ..stream import SkidBuffer, StreamFifo
from .address import MarkedAddress
from .beat_buffer import BeatBuffer
from .coalescer import BurstLayout, Coalescer, PlaceLayout, lane_bits

__all__ = ["Fetch", "MarkedSample"]

#: Samples between address and extraction: covers a span, the memory's latency and queues.
_PLACES = 256

#: Samples behind which a burst takes no further beat. More would make the memory slightly more
#: efficient, but the first address of a burst waits for its last one.
_SPAN = 64

#: Bursts that may wait for the bus, and the room that addresses on their way need: those of
#: `Coalescer.LATENCY` and four more cycles until `room` has fallen.
_BURSTS, _MARGIN = 16, Coalescer.LATENCY + 5


class MarkedSample(data.StructLayout):
    """A sample; ``last`` marks the last one of a transfer."""

    def __init__(self):
        super().__init__({"sample": signed(16), "last": unsigned(1)})


class Fetch(wiring.Component):
    """Read the samples at a stream of addresses.

    Addresses become bursts; each burst is requested once its beats have a place in the beat
    buffer, so what comes back is always taken. 1 sample a cycle as long as the bus delivers: up to
    256 samples are under way, in up to ``max(32, 4096 / data_width)`` beats. Latency, without that
    of the memory: 11 cycles for a sample alone in its burst, else up to 15 more for the first
    burst and 63 for later ones, and those to the end of its last beat.

    Parameters
    ----------
    data_width : int
        Bits of a beat: 32, 64, 128, 256 or 512.

    Members
    -------
    i : In(stream of MarkedAddress)
        Addresses in samples.
    o : Out(stream of MarkedSample)
        Their samples, in order, with the marks of the addresses.
    bus : Out(ReadMaster(data_width))
        Urgent while beats are outstanding and those that are here hold less than 64 samples.
    start : In(1)
        Begin a transfer, in a cycle in which it is not busy. The first address comes later.
    abort : In(1)
        Drop all samples, and beats that are outstanding when they come. No address comes with it
        or later. May stay high.
    busy : Out(1)
        From the cycle behind ``start`` until the sample marked last has moved, or until all
        outstanding bursts of an aborted transfer have come back.
    error : Out(1)
        A beat with an error came in the cycle before.

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
            "i": In(stream.Signature(MarkedAddress())),
            "o": Out(stream.Signature(MarkedSample())),
            "bus": Out(ReadMaster(self.data_width)),
            "start": In(1), "abort": In(1), "busy": Out(1), "error": Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        running, draining = Signal(), Signal()
        outstanding = Signal(range(self._beats + 1))
        clear = self.start | self.abort

        m.submodules.places = places = StreamFifo(PlaceLayout(self.data_width), _PLACES,
                                                  block=True)
        m.submodules.beats = beats = BeatBuffer(self.data_width, self._beats)
        m.d.comb += [places.clear.eq(clear), beats.clear.eq(clear)]

        self._request(m, places, beats, clear, running, outstanding)
        self._receive(m, beats, running)
        self._extract(m, places, beats, clear)

        few = 16 * _SPAN // self.data_width
        m.d.sync += self.bus.urgent.eq(running & (outstanding != 0) & (beats.level < few))

        m.d.comb += self.busy.eq(running | draining)
        finished = self.o.valid & self.o.ready & self.o.p.last
        with m.If(self.abort):
            m.d.sync += running.eq(0)
        with m.Elif(self.start):
            m.d.sync += running.eq(1)
        with m.Elif(finished):
            m.d.sync += running.eq(0)
        with m.If(self.abort & running):
            m.d.sync += draining.eq(1)
        with m.Elif(outstanding == 0):
            m.d.sync += draining.eq(0)

        return m

    @property
    def _beats(self):
        """Depth of the beat buffer."""
        return max(32, 4096 // self.data_width)

    def _request(self, m, places, beats, clear, running, outstanding):
        """Turn addresses into places and bursts, and bursts into requests."""
        m.submodules.coalescer = coalescer = Coalescer(self.data_width, span=_SPAN)
        m.submodules.bursts = bursts = StreamFifo(BurstLayout(self.data_width), _BURSTS)
        m.d.comb += [coalescer.clear.eq(clear), bursts.clear.eq(clear)]

        # Nothing behind here waits: addresses are taken only while there is room for all of them.
        room = Signal()
        m.d.comb += [
            self.i.ready.eq(room),
            coalescer.i.valid.eq(self.i.valid & room),
            coalescer.i.payload.eq(self.i.payload),
        ]
        m.d.sync += room.eq(~clear & running & (places.level < _PLACES - _MARGIN)
                            & (bursts.level < _BURSTS - _MARGIN))

        for source, sink in ((coalescer.o, places.i), (coalescer.burst, bursts.i)):
            m.d.comb += [sink.valid.eq(source.valid), sink.payload.eq(source.payload)]

        # A burst is offered when the beat buffer has space for it.
        free = Signal(range(self._beats + 1))
        issue, beat_left = Signal(), Signal()
        m.d.sync += beat_left.eq(beats.take & beats.advance)
        ar = self.bus.ar
        m.d.comb += [
            issue.eq(running & bursts.o.valid & (~ar.valid | ar.ready)
                     & (free > bursts.o.p.length)),
            bursts.o.ready.eq(issue),
        ]
        with m.If(issue):
            m.d.sync += [
                ar.valid.eq(1),
                ar.p.address.eq(bursts.o.p.beat << self.lane_bits + 1),
                ar.p.length.eq(bursts.o.p.length),
            ]
        with m.Elif(ar.ready):
            m.d.sync += ar.valid.eq(0)
        # Both sums, then the choice: `issue` comes late.
        m.d.sync += free.eq(Mux(issue, free + beat_left - bursts.o.p.length - 1,
                                free + beat_left))
        with m.If(clear):
            m.d.sync += free.eq(self._beats)

        ended = self.bus.r.valid & self.bus.r.payload.last
        m.d.sync += outstanding.eq(outstanding + issue - ended)

    def _receive(self, m, beats, running):
        """Keep the beats that a running transfer asked for."""
        r = self.bus.r
        m.d.comb += [
            beats.write.eq(r.valid & running),
            beats.beat.eq(r.payload.data),
        ]
        m.d.sync += self.error.eq(r.valid & (r.payload.response != OKAY))

    def _extract(self, m, places, beats, clear):
        """Pick each sample from its beat."""
        m.submodules.output = output = SkidBuffer(MarkedSample())

        valid, last, take = Signal(), Signal(), Signal()
        m.d.comb += [
            output.clear.eq(clear),
            output.i.valid.eq(valid),
            output.i.p.sample.eq(beats.sample),
            output.i.p.last.eq(last),
            take.eq(places.o.valid & (~places.o.p.advance | (beats.level != 0))
                    & (~valid | output.i.ready)),
            places.o.ready.eq(take),
            beats.take.eq(take),
            beats.advance.eq(places.o.p.advance),
            beats.lane.eq(places.o.p.lane),
        ]
        with m.If(take):
            m.d.sync += last.eq(places.o.p.last)
        with m.If(clear):
            m.d.sync += valid.eq(0)
        with m.Elif(take):
            m.d.sync += valid.eq(1)
        with m.Elif(output.i.ready):
            m.d.sync += valid.eq(0)

        wiring.connect(m, output.o, wiring.flipped(self.o))
