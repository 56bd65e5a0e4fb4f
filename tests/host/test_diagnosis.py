from dataclasses import replace

import numpy as np
import pytest

import neuflow
from hdl.control.counters import counter_names
from hdl.target import get_target
from host.diagnosis import describe_nodes, describe_ports, step_registers
from tests.host.models import calibration, two_convolutions

TINY = get_target("tiny")
PORT = 1 << TINY.tiles

ONCE = np.array([1, 1, 1, 1])
READ = {"enable": 1, "repeat": 2, "entries": 3, "count": np.array([4, 5, 1, 1])}
WRITE = {"enable": 1, "entries": 0, "count": np.array([6, 1, 1, 1])}
WEIGHTS = {"enable": 1, "length": 100, "repeat": 2}
OFF = {"enable": 0, "count": ONCE, "repeat": 0, "entries": 0, "length": 0}


def units(**channels):
    """Return registers in which port 0 has these channels and the others none."""
    off = dict.fromkeys(("read", "write", "weights"), OFF)
    return [{}] * TINY.tiles + [off | channels] + [off] * (TINY.ports - 1)


def counted(**counts):
    return dict.fromkeys(counter_names(TINY), 0) | counts


@pytest.mark.parametrize("channels, counts, says", [
    ({"read": READ}, {"port0_read_active": 119, "port0_read_stall": 1234},
     ("read channel (119 of 120 samples have come from memory, the tile waited 1,234 cycles for "
      "memory)")),
    ({"read": READ}, {"port0_read_active": 7},
     "read channel (7 of 120 samples have come from memory)"),
    ({"write": WRITE}, {"port0_write_active": 5, "port0_write_stall": 9},
     "write channel (5 of 6 samples have come from the tile, the tile waited 9 cycles for memory)"),
    # A channel that is done is not named.
    ({"read": READ, "write": WRITE}, {"port0_read_active": 120, "port0_write_active": 2},
     "write channel (2 of 6 samples have come from the tile)"),
    ({"read": READ, "write": WRITE}, {"port0_read_active": 120, "port0_write_active": 6},
     ("write channel (all 6 samples have come from the tile, memory has not confirmed the last of "
      "them)"))])
def test_channels_that_are_not_done(channels, counts, says):
    told = describe_nodes(PORT, TINY, units(**channels), counted(**counts), 5000)
    assert told == f"DMA port 0 (tile 0): {says}"


@pytest.mark.parametrize("stall, named", [(10, False), (4000, True)])
def test_weights_are_named_when_the_convolver_waits_for_them(stall, named):
    told = describe_nodes(PORT | 1, TINY, units(read=READ, weights=WEIGHTS),
                          counted(port0_read_active=3, convolver0_stall_weights=stall), 5000)
    assert "read channel (3 of 120" in told and told.endswith("; convolver of tile 0")
    assert ("weights channel (200 samples, the tile waited 4,000 cycles for memory)" in told) \
        is named


def test_weights_are_done_when_their_convolver_is():
    transfers = units(read=READ, write=WRITE, weights=WEIGHTS)
    counts = counted(port0_read_active=120, port0_write_active=6)
    assert "weights" not in describe_nodes(PORT, TINY, transfers, counts, 5000)
    told = describe_nodes(PORT | 1, TINY, transfers, counts, 5000)
    assert "weights channel (200 samples)" in told


def test_without_counters_every_enabled_channel_is_named():
    told = describe_nodes(PORT, TINY, units(read=READ, weights=WEIGHTS))
    assert told == ("DMA port 0 (tile 0): read channel (120 samples) and weights channel (200 "
                    "samples)")


def test_masks_alone():
    assert describe_nodes(3 * PORT, TINY) == "DMA port 0 (tile 0); DMA port 1 (tile 1)"
    assert describe_nodes(1, TINY) == "convolver of tile 0"
    assert describe_nodes(0, TINY) == "no node"
    assert describe_ports(2, TINY) == "DMA port 1 (tile 1)"


def test_registers_of_a_step():
    program = neuflow.compile(two_convolutions().SerializeToString(), target="tiny",
                             calibration=calibration())
    steps, tensors = program.manifest["steps"], program.manifest["tensors"]
    assert len(steps) == 2
    address = {tensor["name"]: tensor["address"] // 2 for tensor in tensors}
    for step in steps:
        port = step_registers(program, TINY, step["number"])[TINY.tiles]
        assert port["read"]["enable"] and port["weights"]["enable"]
        assert port["read_table"][0][0] == address[step["reads"][0]]
        assert port["write"]["base"] == address[step["writes"][0]]
    assert step_registers(replace(program, image=bytes(99)), TINY, 1) == [{}] * TINY.nodes
