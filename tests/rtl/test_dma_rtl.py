import dataclasses

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import Out

from hdl.axi import AxiSignature
from hdl.dma.interconnect import Interconnect
from hdl.dma.port import Port
from hdl.target import get_target
from sim.rtl.cocotb_runner import run_cocotb

pytestmark = pytest.mark.rtl


class PortOnMemory(wiring.Component):
    """A port behind an interconnect, its AXI signals with the standard's names."""

    def __init__(self, target):
        self.target = target
        self.axi = AxiSignature(target.data_width, 1)
        self.port = Port(target, weights=True)
        buses = ("read_bus", "write_bus", "weights_bus")
        members = {name: member for name, member in self.port.signature.members.items()
                   if name not in buses}
        super().__init__(members | {
            f"m_axi_{name}": member for name, member in self.axi.members.items()})

    def elaborate(self, platform):
        m = Module()
        m.submodules.port = port = self.port
        m.submodules.interconnect = interconnect = Interconnect(self.target, 2, 1)
        wiring.connect(m, port.read_bus, interconnect.readers[0])
        wiring.connect(m, port.weights_bus, interconnect.readers[1])
        wiring.connect(m, port.write_bus, interconnect.writers[0])
        for name, member in port.signature.members.items():
            if not name.endswith("_bus"):
                outer, inner = getattr(self, name), getattr(port, name)
                if not member.is_port:
                    wiring.connect(m, wiring.flipped(outer), inner)
                elif member.flow is Out:
                    m.d.comb += outer.eq(inner)
                else:
                    m.d.comb += inner.eq(outer)
        for name, member in self.axi.members.items():
            outer, inner = getattr(self, f"m_axi_{name}"), getattr(interconnect.m_axi, name)
            m.d.comb += outer.eq(inner) if member.flow is Out else inner.eq(outer)
        return m


def run(tmp_path, data_width, samples, stall, seed):
    target = dataclasses.replace(get_target("tiny"), name="bench", data_width=data_width)
    passed = run_cocotb(
        PortOnMemory(target), "port_on_memory", "tests.rtl.dma_bench", tmp_path, seed=seed,
        environment={"DMA_TARGET": "tiny", "DMA_WIDTH": str(data_width),
                     "DMA_SAMPLES": str(samples), "DMA_STALL": str(stall)})
    assert passed == 2


@pytest.mark.parametrize("data_width", [64, 256])
def test_port_and_interconnect(tmp_path, data_width):
    run(tmp_path, data_width, samples=4000, stall=30, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("data_width", [64, 256])
def test_port_and_interconnect_for_long(tmp_path, data_width):
    run(tmp_path, data_width, samples=100_000, stall=30, seed=2)
