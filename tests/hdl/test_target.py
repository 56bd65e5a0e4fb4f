import dataclasses

import pytest

from hdl.target import TARGETS, Memory, get_target

TINY = TARGETS["tiny"]


def test_the_machines_of_the_architecture():
    virtex6, asic = TARGETS["virtex6-lx240t"], TARGETS["asic-45nm"]
    assert (virtex6.tiles, virtex6.multipliers, virtex6.ports) == (20, 680, 12)
    assert (asic.tiles, asic.multipliers, asic.ports) == (12, 448, 8)
    assert (virtex6.clock_hz, asic.clock_hz) == (200_000_000, 400_000_000)


@pytest.mark.parametrize("name", TARGETS)
def test_every_convolver_has_a_partner_with_a_port(name):
    target = TARGETS[name]
    for tile in target.convolvers:
        partner = target.neighbour(tile, "e")
        assert target.port_of_tile(tile) is not None
        assert target.port_of_tile(partner) is not None and partner not in target.convolvers


def test_any_field_changes_the_fingerprint():
    prints = {target.fingerprint for target in TARGETS.values()}
    prints |= {dataclasses.replace(TINY, contexts=16).fingerprint,
               dataclasses.replace(TINY, memory=Memory(size=1 << 21, peak=1)).fingerprint}
    assert len(prints) == len(TARGETS) + 2
    assert dataclasses.replace(TINY, primitives="xilinx").fingerprint == TINY.fingerprint < 1 << 64


def test_neighbours():
    assert [TINY.neighbour(0, d) for d in "nesw"] == [None, 1, 2, None]
    assert [TINY.neighbour(3, d) for d in "nesw"] == [1, None, None, 2]


@pytest.mark.parametrize("lanes, length, banks", [(1, 100, 11), (2, 50, 5), (4, 25, 2),
                                                  (6, 16, 1), (11, 9, 1)])
def test_lanes_fill_the_chain(lanes, length, banks):
    target = TARGETS["virtex6-lx240t"]
    assert (target.lane_length(lanes), target.lane_banks(lanes)) == (length, banks)


@pytest.mark.parametrize("changes, message", [
    ({"rows": 0}, r"^target 'tiny': grid must be at least 1x1, not 0x2$"),
    ({"rows": 16}, r"32 tiles and 2 DMA ports make 34 nodes; .* at most 32$"),
    ({"convolvers": ()}, r"needs at least one convolver$"),
    ({"convolvers": (2,)}, r"the convolver on tile 2 has no DMA port"),
    ({"dma_tiles": (0, 0)}, r"two DMA ports on one tile: \(0, 0\)$"),
    ({"dma_tiles": (0, 9)}, r"DMA port on tile 9; tiles are 0 to 3$"),
    ({"macs": 0}, r"macs must be in 1\.\.128, not 0$"),
    ({"kernel_rows": 17}, r"kernel_rows must be in 1\.\.16, not 17$"),
    ({"banks": 26}, r"banks must be in 1\.\.16 \(one a lane\), not 26$"),
    ({"bank_depth": 500}, r"bank_depth must be a power of two of at least 64, not 500$"),
    ({"fifos": 5}, r"fifos must be in 1\.\.4, not 5$"),
    ({"fifo_blocks": 1}, r"fifo_blocks must be in 2\.\.8, not 1$"),
    ({"data_width": 48}, r"data_width must be 32, 64, .* not 48$"),
    ({"primitives": "actel"}, r"primitives must be 'xilinx', 'lattice' or empty, not 'actel'$"),
    ({"clock_hz": 0}, r"clock_hz must be positive, not 0$"),
])
def test_rejects(changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(TINY, **changes)


@pytest.mark.parametrize("changes, message", [
    ({"size": 100_000}, r"^memory size must be a power of two .* not 100000$"),
    ({"peak": 0}, r"^memory peak must be positive"),
    ({"efficiency": 1.5}, r"^memory efficiency must be in \(0, 1\], not 1\.5$"),
    ({"latency": 0}, r"^memory latency must be at least 1 cycle"),
])
def test_rejects_memory(changes, message):
    with pytest.raises(ValueError, match=message):
        Memory(**{"size": 1 << 20, "peak": 1_000_000} | changes)


def test_unknown_target_lists_those_that_exist():
    with pytest.raises(ValueError, match=r"^unknown target 'huge'; targets are tiny, virtex6"):
        get_target("huge")
