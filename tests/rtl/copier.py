"""A small design with the machine's ports, for tests of the simulation: it copies memory."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.fifo import SyncFIFOBuffered

from hdl.axi import AxiSignature, LiteSignature

ID, CONTROL, STATUS, SOURCE, TARGET, BURSTS, ERRORS, SCRATCH = range(0, 32, 4)
IDENTITY = 0x434F5059
BEATS = 16


class Copier(wiring.Component):
    """Copies ``BURSTS`` bursts of 16 beats from SOURCE to TARGET, on two read IDs in turns.

    STATUS is 1 while it copies, else 2. ERRORS counts refused beats and bursts. Writing an
    address of 0x20 or more is answered with SLVERR; of 0x100, never. A ``fault`` breaks a rule
    of the bus: "size", "boundary", "last" or "hold".
    """

    def __init__(self, data_width, fault=None):
        self.data_width = data_width
        self.fault = fault
        members = {}
        for prefix, signature in (("m_axi", AxiSignature(data_width, 2)),
                                  ("s_axil", LiteSignature(12).flip())):
            members |= {f"{prefix}_{name}": member for name, member in signature.members.items()}
        super().__init__(members)

    def elaborate(self, platform):
        m = Module()
        registers = {address: Signal(32, name=f"register{address}")
                     for address in (SOURCE, TARGET, BURSTS, ERRORS, SCRATCH)}
        start, running = Signal(), Signal()
        self._host(m, registers, start, running)
        self._copy(m, registers, start, running)
        return m

    def _host(self, m, registers, start, running):
        address, data = Signal(12), Signal(32)
        have_address, have_data = Signal(), Signal()
        m.d.comb += [self.s_axil_awready.eq(~have_address & ~self.s_axil_bvalid),
                     self.s_axil_wready.eq(~have_data & ~self.s_axil_bvalid)]
        with m.If(self.s_axil_awvalid & self.s_axil_awready):
            m.d.sync += [address.eq(self.s_axil_awaddr), have_address.eq(1)]
        with m.If(self.s_axil_wvalid & self.s_axil_wready):
            m.d.sync += [data.eq(self.s_axil_wdata), have_data.eq(1)]
        with m.If(have_address & have_data & (address != 0x100)):
            m.d.sync += [have_address.eq(0), have_data.eq(0), self.s_axil_bvalid.eq(1),
                         self.s_axil_bresp.eq(0)]
            with m.Switch(address):
                with m.Case(CONTROL):
                    m.d.comb += start.eq(1)
                for where in (SOURCE, TARGET, BURSTS, SCRATCH):
                    with m.Case(where):
                        m.d.sync += registers[where].eq(data)
                with m.Default():
                    m.d.sync += self.s_axil_bresp.eq(2)
        with m.If(self.s_axil_bvalid & self.s_axil_bready):
            m.d.sync += self.s_axil_bvalid.eq(0)

        m.d.comb += self.s_axil_arready.eq(~self.s_axil_rvalid)
        with m.If(self.s_axil_arvalid & self.s_axil_arready):
            m.d.sync += self.s_axil_rvalid.eq(1)
            with m.Switch(self.s_axil_araddr):
                with m.Case(ID):
                    m.d.sync += self.s_axil_rdata.eq(IDENTITY)
                with m.Case(STATUS):
                    m.d.sync += self.s_axil_rdata.eq(2 - running)
                for where, register in registers.items():
                    with m.Case(where):
                        m.d.sync += self.s_axil_rdata.eq(register)
        with m.If(self.s_axil_rvalid & self.s_axil_rready):
            m.d.sync += self.s_axil_rvalid.eq(0)

    def _copy(self, m, registers, start, running):
        bytes_, size = self.data_width // 8, (self.data_width // 8).bit_length() - 1
        fifos = [SyncFIFOBuffered(width=self.data_width, depth=8 * BEATS) for _ in range(2)]
        m.submodules += fifos
        asked, sent, answered = Signal(16), Signal(16), Signal(16)
        errors, credit, beat = registers[ERRORS], Signal(8, init=16), Signal(range(BEATS))
        offset = 64 if self.fault == "boundary" else 0
        for channel in ("ar", "aw"):
            m.d.comb += [getattr(self, f"m_axi_{channel}len").eq(BEATS - 1),
                         getattr(self, f"m_axi_{channel}size").eq(
                             size - (self.fault == "size")),
                         getattr(self, f"m_axi_{channel}burst").eq(1)]
        m.d.comb += [
            self.m_axi_araddr.eq(registers[SOURCE] + asked * (BEATS * bytes_) + offset),
            self.m_axi_arid.eq(asked[0]),
            self.m_axi_arvalid.eq(running & (asked != registers[BURSTS]) & (credit != 0)),
            self.m_axi_awaddr.eq(registers[TARGET] + sent * (BEATS * bytes_)),
            self.m_axi_bready.eq(1),
        ]
        with m.Switch(self.m_axi_rid):
            for index, fifo in enumerate(fifos):
                with m.Case(index):
                    m.d.comb += [fifo.w_data.eq(self.m_axi_rdata), fifo.w_en.eq(self.m_axi_rvalid),
                                 self.m_axi_rready.eq(fifo.w_rdy)]
        # A burst's data follows its address.
        sending, which = Signal(), Signal()
        with m.If(self.m_axi_arvalid & self.m_axi_arready):
            m.d.sync += asked.eq(asked + 1)
        with m.If(self.m_axi_awvalid & self.m_axi_awready):
            m.d.sync += [sending.eq(1), which.eq(sent[0])]
        hold = Signal(init=1)
        if self.fault == "hold":
            m.d.sync += hold.eq(~hold)
        for index, fifo in enumerate(fifos):
            with m.If(sending & (which == index)):
                m.d.comb += [self.m_axi_wdata.eq(fifo.r_data),
                             self.m_axi_wvalid.eq(fifo.r_rdy & hold),
                             fifo.r_en.eq(self.m_axi_wready & hold)]
        last = BEATS - 1 - (self.fault == "last")
        m.d.comb += [self.m_axi_wstrb.eq(~0), self.m_axi_wlast.eq(beat == last)]
        freed = Signal()
        with m.If(self.m_axi_wvalid & self.m_axi_wready):
            m.d.sync += beat.eq(beat + 1)
            with m.If(beat == BEATS - 1):
                m.d.sync += [beat.eq(0), sending.eq(0), sent.eq(sent + 1)]
                m.d.comb += freed.eq(1)
        m.d.comb += self.m_axi_awvalid.eq(
            running & ~sending & (sent != registers[BURSTS])
            & Cat(fifo.r_rdy for fifo in fifos).bit_select(sent[0], 1))
        m.d.sync += credit.eq(credit + freed - (self.m_axi_arvalid & self.m_axi_arready))
        m.d.sync += errors.eq(errors + (self.m_axi_rvalid & self.m_axi_rready
                                        & (self.m_axi_rresp != 0))
                              + (self.m_axi_bvalid & (self.m_axi_bresp != 0)))
        with m.If(self.m_axi_bvalid):
            m.d.sync += answered.eq(answered + 1)
        with m.If(start):
            m.d.sync += [running.eq(1), asked.eq(0), sent.eq(0), answered.eq(0), errors.eq(0)]
        with m.Elif(running & (answered == registers[BURSTS])):
            m.d.sync += running.eq(0)
