"""From sample addresses to beats, and from beats to bursts."""

import operator

from amaranth.hdl import Const, Module, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..registers import ADDRESS_WIDTH
from ..select import equal
from .address import MarkedAddress

__all__ = ["MAX_BEATS", "BurstLayout", "Coalescer", "PlaceLayout", "lane_bits"]

#: Most beats of a burst.
MAX_BEATS = 16

#: Bits of an address within 4 KiB, which no burst may cross (ARM IHI 0022, A3.4.1).
_PAGE_BITS = 12


def lane_bits(data_width):
    """Return the bits of a lane's number: log2 of the samples in a beat.

    Raises
    ------
    TypeError
        If ``data_width`` is not an integer.
    ValueError
        If ``data_width`` is not 32, 64, 128, 256 or 512.
    """
    if operator.index(data_width) not in (32, 64, 128, 256, 512):
        raise ValueError(f"data_width must be 32, 64, 128, 256 or 512, not {data_width}")
    return exact_log2(data_width // 16)


class PlaceLayout(data.StructLayout):
    """Where a sample stands: ``lane`` of a beat; ``advance``, in a beat that begins with it."""

    def __init__(self, data_width):
        super().__init__({"lane": unsigned(lane_bits(data_width)), "advance": unsigned(1),
                          "last": unsigned(1)})


class BurstLayout(data.StructLayout):
    """A burst: number of its first beat (address in beats), and its beats less one."""

    def __init__(self, data_width):
        super().__init__({"beat": unsigned(ADDRESS_WIDTH - lane_bits(data_width)),
                          "length": unsigned(exact_log2(MAX_BEATS))})


class Coalescer(wiring.Component):
    """Join samples of one beat, and beats that follow each other, to bursts.

    A sample in the beat of its predecessor shares it; one in the beat behind it lengthens the
    burst; any other starts a new one. A burst is at most 16 beats long, does not cross 4 KiB, and
    with ``span`` covers at most so many samples. A burst comes out with the first sample that is
    no longer part of it, or in the cycle behind the last sample.

    Nothing waits: the user takes only as many addresses as it has room for. Latency
    `Coalescer.LATENCY` cycles, 1 sample a cycle.

    Parameters
    ----------
    data_width : int
        Bits of a beat: 32, 64, 128, 256 or 512.
    span : int
        Samples behind which a burst takes no further beat, a power of two of at least 16, or 0
        for any number; it covers at most a beat's more. The first burst's number is 16, the next
        ones' twice as many each: the first samples come early.

    Members
    -------
    i : In(stream of MarkedAddress, always ready)
        Sample addresses.
    o : Out(stream of PlaceLayout(data_width), always ready)
        Each sample's place in the beats.
    burst : Out(stream of BurstLayout(data_width), always ready)
        Bursts, in order.
    clear : In(1)
        Forget everything.

    Raises
    ------
    TypeError
        If a parameter is not an integer.
    ValueError
        If a parameter is out of range.

    Source: ARM IHI 0022, A3.4.1 (bursts), docs/architecture.md, "DMA port".
    """

    #: Cycles from an address to its place; a burst comes at most one later than its last place.
    LATENCY = 3

    def __init__(self, data_width, span=0):
        self.data_width = data_width
        self.lane_bits = lane_bits(data_width)
        self.span = operator.index(span)
        if self.span and (self.span < 16 or self.span & (self.span - 1)):
            raise ValueError(f"span must be 0 or a power of two of at least 16, not {span}")
        super().__init__({
            "i": In(stream.Signature(MarkedAddress(), always_ready=True)),
            "o": Out(stream.Signature(PlaceLayout(self.data_width), always_ready=True)),
            "burst": Out(stream.Signature(BurstLayout(self.data_width), always_ready=True)),
            "clear": In(1),
        })

    def elaborate(self, platform):
        m = Module()

        beat_bits = ADDRESS_WIDTH - self.lane_bits
        page = _PAGE_BITS - exact_log2(self.data_width // 8)

        # Two stages compare each beat with the one before it; payloads stay behind when valid
        # goes, as the predecessor of what comes.
        first_valid, second_valid = Signal(), Signal()
        first = Signal(MarkedAddress())
        beat, following = Signal(beat_bits), Signal(page)  # the latter within a page
        lane, last = Signal(self.lane_bits), Signal()
        same, follows = Signal(), Signal()
        m.d.sync += [first_valid.eq(self.i.valid & ~self.clear),
                     second_valid.eq(first_valid & ~self.clear)]
        with m.If(self.i.valid):
            m.d.sync += first.eq(self.i.payload)
        arriving = first.address[self.lane_bits:]
        same_page, place = equal(arriving[page:], beat[page:]), arriving[:page]
        with m.If(first_valid):
            m.d.sync += [
                beat.eq(arriving), following.eq(place + 1),
                lane.eq(first.address[:self.lane_bits]), last.eq(first.last),
                same.eq(same_page & (place == beat[:page])),
                follows.eq(same_page & (place == following) & (place != 0)),
            ]

        # The open burst.
        opened, flush = Signal(), Signal()
        current = Signal(BurstLayout(self.data_width))
        starts = Signal()
        spent, full = self._spent(m, second_valid, starts)
        shares = opened & same & ~full
        lengthens = opened & follows & (current.length != MAX_BEATS - 1) & ~spent
        m.d.comb += starts.eq(second_valid & ~shares & ~lengthens)

        m.d.sync += [
            self.o.valid.eq(second_valid & ~self.clear),
            self.o.p.lane.eq(lane), self.o.p.advance.eq(~shares), self.o.p.last.eq(last),
            self.burst.valid.eq(((starts & opened) | flush) & ~self.clear),
            self.burst.payload.eq(current),
            flush.eq(second_valid & last & ~self.clear),
        ]
        with m.If(starts):
            m.d.sync += [current.beat.eq(beat), current.length.eq(0)]
        with m.Elif(second_valid & ~shares):
            m.d.sync += current.length.eq(current.length + 1)
        with m.If(self.clear | flush):
            m.d.sync += opened.eq(0)
        with m.Elif(starts):
            m.d.sync += opened.eq(1)

        return m

    def _spent(self, m, valid, starts):
        """Return whether the open burst takes no further beat, and no further sample.

        Were it ended within a beat, the next burst would read that beat again; samples of a beat
        that is read over and over come to an end as well.
        """
        if not self.span:
            return Const(0), Const(0)
        lanes, top = self.data_width // 16, exact_log2(self.span)
        # One bit is set: 8 before the first burst, then 16, 32 and so on.
        limit = Signal(top + 1, init=8)
        samples = Signal(range(self.span + lanes + 1), reset_less=True)
        with m.If(starts):
            m.d.sync += samples.eq(1)
        with m.Elif(valid):
            m.d.sync += samples.eq(samples + 1)
        with m.If(self.clear):
            m.d.sync += limit.eq(8)
        with m.Elif(starts & ~limit[top]):
            m.d.sync += limit.eq(limit << 1)
        # What holds for the next sample is known with this one.
        spent, full = Signal(), Signal()
        bits = range(exact_log2(16), top + 1)
        with m.If(starts | self.clear):
            m.d.sync += [spent.eq(0), full.eq(0)]
        with m.Elif(valid):
            for bit in bits:
                with m.If(limit[bit]):
                    m.d.sync += [
                        spent.eq(spent | (samples == (1 << bit) - 1)),
                        full.eq(samples == (1 << bit) + lanes - 1),
                    ]
        return spent, full
