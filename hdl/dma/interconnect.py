"""Interconnect: read and write masters on one AXI4 port."""

import operator

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from ..axi import AxiSignature, ReadDataLayout, ReadMaster, WriteDataLayout, WriteMaster
from ..stream import SkidBuffer, StreamFifo
from .coalescer import lane_bits
from .distributor import Distributor
from .precedence import Precedence
from .queue import RequestQueue, select

__all__ = ["Interconnect"]

#: Most bursts of one master on their way.
_READS, _WRITES = 32, 16

#: Write bursts that are taken and whose beats have not all gone.
_ORDERED = 16

#: AXI4 codes (ARM IHI 0022, A3.4.1 and A4.4): incrementing burst; normal memory, not cached,
#: which may be buffered; data access, secure, unprivileged.
_INCR, _MEMORY, _DATA = 1, 0b0011, 0


class Interconnect(wiring.Component):
    """Join read and write masters to one AXI4 port.

    Reads and writes go separate ways. Each way takes a burst from the masters in turn, with the
    master's number as ID; a burst's beats follow in the order in which bursts were taken, without
    interleaving; what comes back goes to the master its ID names, in any order among masters and
    beat by beat. All outputs of ``m_axi`` are registers. 1 request, 1 beat and 1 response a cycle.
    Latency: requests 3, beats written 1, beats read and responses 2 cycles.

    Reads and writes share what the memory delivers. A reader that runs dry stops a convolver; what
    is written waits in buffers, often with a whole pass of time. So while a reader is urgent no
    write burst begins, but for one beat in 17 cycles: a burst waits at most 255 cycles for readers.
    A sink that writes hold up stops its readers, which fill up and are no longer urgent.

    At most 32 read and 16 write bursts of a master are on their way. A master that does not take
    beats or responses holds up the others.

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
        A master offers the beats of a burst without waiting for anything but their turn.
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

    def _request(self, m, channel, queue, masters):
        """Join the masters' requests and offer them on channel ``ar`` or ``aw``."""
        for k, master in enumerate(masters):
            wiring.connect(m, wiring.flipped(getattr(master, channel)), queue.i[k])

        def port(name):
            return getattr(self.m_axi, f"{channel}{name}")

        m.d.comb += [
            port("valid").eq(queue.o.valid),
            queue.o.ready.eq(port("ready")),
            port("id").eq(queue.o.p.master),
            port("addr").eq(queue.o.p.burst.address),
            port("len").eq(queue.o.p.burst.length),
            port("size").eq(lane_bits(self.target.data_width) + 1),
            port("burst").eq(_INCR),
            port("lock").eq(0),
            port("cache").eq(_MEMORY),
            port("prot").eq(_DATA),
        ]

    def _read(self, m):
        axi = self.m_axi
        m.submodules.reads = queue = RequestQueue(self.read_masters, _READS)
        m.submodules.beats = beats = Distributor(
            ReadDataLayout(self.target.data_width), self.read_masters)
        self._request(m, "ar", queue, self.readers)

        m.d.comb += [
            beats.i.valid.eq(axi.rvalid),
            axi.rready.eq(beats.i.ready),
            beats.i.p.sink.eq(axi.rid),
            beats.i.p.word.data.eq(axi.rdata),
            beats.i.p.word.response.eq(axi.rresp),
            beats.i.p.word.last.eq(axi.rlast),
        ]
        for k, master in enumerate(self.readers):
            wiring.connect(m, beats.o[k], wiring.flipped(master.r))
            m.d.comb += queue.ended[k].eq(master.r.valid & master.r.ready & master.r.p.last)

    def _write(self, m):
        axi = self.m_axi
        m.submodules.writes = queue = RequestQueue(self.write_masters, _WRITES)
        m.submodules.order = order = StreamFifo(self.write_masters, _ORDERED)
        m.submodules.output = output = SkidBuffer(WriteDataLayout(self.target.data_width))
        m.submodules.responses = responses = Distributor(2, self.write_masters)
        self._request(m, "aw", queue, self.writers)

        # Beats come from the master whose burst was taken first. The queue may overrun by two.
        m.d.comb += [
            order.i.valid.eq(queue.taken.any()),
            order.i.payload.eq(queue.taken),
            queue.pause.eq(order.level >= _ORDERED - 2),
        ]
        turn, finish, next_turn = Signal(self.write_masters), Signal(), Signal()
        m.submodules.precedence = precedence = Precedence(self.read_masters)
        begin = precedence.begin
        with m.If(next_turn):
            m.d.sync += turn.eq(
                order.o.payload & (order.o.valid & begin).replicate(self.write_masters))
        m.d.comb += [
            finish.eq((turn & Cat(master.w.valid & master.w.p.last
                                  for master in self.writers)).any()),
            precedence.urgent.eq(Cat(master.urgent for master in self.readers)),
            precedence.beat.eq(output.i.valid & output.i.ready),
            next_turn.eq((turn == 0) | (finish & output.i.ready)),
            order.o.ready.eq(next_turn & begin),
            output.i.valid.eq((turn & Cat(master.w.valid for master in self.writers)).any()),
            output.i.payload.eq(select(
                turn, [master.w.payload.as_value() for master in self.writers])),
            axi.wvalid.eq(output.o.valid),
            output.o.ready.eq(axi.wready),
            axi.wdata.eq(output.o.p.data),
            axi.wstrb.eq(output.o.p.strobe),
            axi.wlast.eq(output.o.p.last),
        ]
        m.d.comb += [
            responses.i.valid.eq(axi.bvalid),
            axi.bready.eq(responses.i.ready),
            responses.i.p.sink.eq(axi.bid),
            responses.i.p.word.eq(axi.bresp),
        ]
        for k, master in enumerate(self.writers):
            m.d.comb += master.w.ready.eq(turn[k] & output.i.ready)
            wiring.connect(m, responses.o[k], wiring.flipped(master.b))
            m.d.comb += queue.ended[k].eq(master.b.valid & master.b.ready)
