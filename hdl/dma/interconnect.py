"""Interconnect: read and write masters on one AXI4 port."""

import operator

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from ..axi import AxiSignature, ReadDataLayout, ReadMaster, WriteDataLayout, WriteMaster
from ..select import or_reduce
from ..stream import StreamFifo
from .coalescer import lane_bits
from .distributor import Distributor
from .precedence import Precedence
from .queue import RequestQueue

__all__ = ["Interconnect"]

#: Write bursts that are taken and whose beats have not all gone, and those that may still come
#: when no more are asked for.
_ORDERED, _PAUSING = 16, 4

#: Beats that may wait for the bus, and those on their way when no more are taken.
_BEATS, _TAKING = 16, 4

#: AXI4 codes (ARM IHI 0022, A3.4.1 and A4.4): incrementing burst; normal memory, not cached,
#: which may be buffered; data access, secure, unprivileged.
_INCR, _MEMORY, _DATA = 1, 0b0011, 0


class Interconnect(wiring.Component):
    """Join read and write masters to one AXI4 port.

    Reads and writes go separate ways. Each way takes a burst from the masters in turn, with the
    master's number as ID; a burst's beats follow in the order in which bursts were taken, without
    interleaving; what comes back goes to the master its ID names, in any order among masters and
    beat by beat. All outputs of ``m_axi`` are registers. 1 request, 1 beat and 1 response a cycle.
    Latency: requests 4, beats written 5, beats read and responses 2 cycles.

    Reads and writes share what the memory delivers. A reader that runs dry stops a convolver; what
    is written waits in buffers, often with a whole pass of time. So while a reader is urgent no
    write burst begins, but for one beat in 17 cycles: a burst waits at most 255 cycles for readers.
    A sink that writes hold up stops its readers, which fill up and are no longer urgent.

    Masters bound the bursts they have on their way: they have room for all beats they ask for and
    hold all beats they offer, so none holds up another, and what comes back is always taken.

    Parameters
    ----------
    target : Target
        The machine, for its ``data_width``.
    readers, writers : int
        Number of read and of write masters, each at least 1.

    Members
    -------
    readers : In(ReadMaster(target.data_width)), array
    writers : In(WriteMaster(target.data_width)), array
    m_axi : Out(AxiSignature(target.data_width, id_width))
        ``id_width`` holds the highest number of a master.

    Raises
    ------
    TypeError
        If a number of masters is not an integer.
    ValueError
        If a number of masters is not positive.

    Source: ARM IHI 0022, A3 to A5; docs/architecture.md, "Interconnect".
    """

    def __init__(self, target, readers, writers):
        self.target = target
        for name, value in (("readers", readers), ("writers", writers)):
            if operator.index(value) < 1:
                raise ValueError(f"{name} must be at least 1, not {value}")
        self.read_masters = operator.index(readers)
        self.write_masters = operator.index(writers)
        self.id_width = bits_for(max(self.read_masters, self.write_masters) - 1)
        super().__init__({
            "readers": In(ReadMaster(target.data_width)).array(self.read_masters),
            "writers": In(WriteMaster(target.data_width)).array(self.write_masters),
            "m_axi": Out(AxiSignature(target.data_width, self.id_width)),
        })

    def elaborate(self, platform):
        m = Module()
        self._read(m)
        self._write(m)
        return m

    def _request(self, m, channel, masters):
        """Join the masters' requests and offer them on channel ``ar`` or ``aw``."""
        queue = RequestQueue(len(masters), self.target.data_width)
        m.submodules[f"{channel}_queue"] = queue
        beat = lane_bits(self.target.data_width) + 1
        for port, master in zip(queue.i, masters, strict=True):
            request = getattr(master, channel)
            m.d.comb += [
                port.valid.eq(request.valid), request.ready.eq(port.ready),
                port.p.beat.eq(request.p.address >> beat), port.p.length.eq(request.p.length),
            ]

        def port(name):
            return getattr(self.m_axi, f"{channel}{name}")

        m.d.comb += [
            port("valid").eq(queue.o.valid),
            queue.o.ready.eq(port("ready")),
            port("id").eq(queue.o.p.master),
            port("addr").eq(queue.o.p.burst.beat << beat),
            port("len").eq(queue.o.p.burst.length),
            port("size").eq(beat),
            port("burst").eq(_INCR),
            port("lock").eq(0),
            port("cache").eq(_MEMORY),
            port("prot").eq(_DATA),
        ]
        return queue

    def _read(self, m):
        axi = self.m_axi
        m.submodules.beats = beats = Distributor(
            ReadDataLayout(self.target.data_width), self.read_masters)
        self._request(m, "ar", self.readers)

        m.d.comb += [
            beats.i.valid.eq(axi.rvalid),
            axi.rready.eq(1),
            beats.i.payload.sink.eq(axi.rid),
            beats.i.payload.word.data.eq(axi.rdata),
            beats.i.payload.word.response.eq(axi.rresp),
            beats.i.payload.word.last.eq(axi.rlast),
        ]
        for k, master in enumerate(self.readers):
            wiring.connect(m, beats.o[k], wiring.flipped(master.r))

    def _write(self, m):
        axi = self.m_axi
        m.submodules.responses = responses = Distributor(2, self.write_masters)
        turn, last = self._turns(m, self._request(m, "aw", self.writers))
        self._beats(m, turn, last)

        m.d.comb += [
            responses.i.valid.eq(axi.bvalid),
            axi.bready.eq(1),
            responses.i.payload.sink.eq(axi.bid),
            responses.i.payload.word.eq(axi.bresp),
        ]
        for k, master in enumerate(self.writers):
            wiring.connect(m, responses.o[k], wiring.flipped(master.b))

    def _turns(self, m, queue):
        """Return whose beat is next, a bit a master, and whether it is its burst's last."""
        burst = data.StructLayout({"turn": self.write_masters,
                                   "left": queue.length.shape()})
        m.submodules.order = order = StreamFifo(burst, _ORDERED)
        m.submodules.precedence = precedence = Precedence(self.read_masters)
        m.d.comb += [
            order.i.valid.eq(queue.taken.any()),
            order.i.p.turn.eq(queue.taken),
            order.i.p.left.eq(queue.length),
            queue.pause.eq(order.level >= _ORDERED - _PAUSING),
        ]

        turn, left, last, begins = Signal(self.write_masters), Signal(4), Signal(), Signal()
        takes = Cat(master.take for master in self.writers).any()
        m.d.comb += [
            last.eq(left == 0),
            begins.eq((turn == 0) | (takes & last)),
            order.o.ready.eq(begins & precedence.begin),
            precedence.urgent.eq(Cat(master.urgent for master in self.readers)),
            precedence.beat.eq(takes),
        ]
        with m.If(begins):
            m.d.sync += [
                turn.eq(order.o.p.turn
                        & (order.o.valid & precedence.begin).replicate(self.write_masters)),
                left.eq(order.o.p.left),
            ]
        with m.Elif(takes):
            m.d.sync += left.eq(left - 1)
        return turn, last

    def _beats(self, m, turn, last):
        """Take the beats of the master whose turn it is, as far as there is room for them."""
        joined = data.StructLayout({"beat": WriteDataLayout(self.target.data_width), "last": 1})
        m.submodules.output = output = StreamFifo(joined, _BEATS)
        room = Signal()
        m.d.sync += room.eq(output.level < _BEATS - _TAKING)
        for k, master in enumerate(self.writers):
            m.d.comb += master.take.eq(turn[k] & room)

        # A beat comes in the cycle behind its take; all other masters' outputs are 0.
        came, ends, arrived = Signal(), Signal(), Signal()
        word = Signal(joined, reset_less=True)
        m.d.sync += [
            came.eq(turn.any() & room), ends.eq(last),
            arrived.eq(came),
            word.beat.eq(or_reduce(master.w.as_value() for master in self.writers)),
            word.last.eq(ends),
        ]
        axi = self.m_axi
        m.d.comb += [
            output.i.valid.eq(arrived),
            output.i.payload.eq(word),
            axi.wvalid.eq(output.o.valid),
            output.o.ready.eq(axi.wready),
            axi.wdata.eq(output.o.p.beat.data),
            axi.wstrb.eq(Cat(bit.replicate(2) for bit in output.o.p.beat.strobe)),
            axi.wlast.eq(output.o.p.last),
        ]
