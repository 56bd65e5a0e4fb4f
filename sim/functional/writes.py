"""Where the samples of a step come from and where they go, read off its registers."""

from hdl.registers import SINKS, SOURCES

from .dma import write_addresses

__all__ = ["step_writes", "writer"]

_OPPOSITE = {"n": "s", "e": "w", "s": "n", "w": "e"}

#: Where a sample enters a circuit's last unit: walking back along the first operand.
_ENTRIES = {"mapper": "mapper", "op0": "op0_a", "op1": "op1_a",
            **{f"fifo{index}": f"fifo{index}" for index in range(4)}}


def step_writes(target, active, mask):
    """Return (DMA port, sample addresses in the order of the stream) of each write channel."""
    found = []
    for port in range(target.ports):
        node = target.tiles + port
        if mask >> node & 1 and active[node]["write"]["enable"]:
            found.append((port, write_addresses(active[node]["write"],
                                                active[node]["write_table"]).ravel()))
    return found


def writer(target, active, port):
    """Return (tile, unit) at the head of the circuit whose samples a port writes.

    That is a convolver's drain stream, "conv0" or "conv1", or the "dma" that reads the samples;
    through operators the first operand is followed.
    """
    tile, sink = target.dma_tiles[port], "dma"
    for _ in range(len(SOURCES) * target.tiles):
        source = SOURCES[int(active[tile]["router"]["source"][SINKS.index(sink)]) - 1]
        if source in _OPPOSITE:
            tile, sink = target.neighbour(tile, source), _OPPOSITE[source]
        elif source in _ENTRIES:
            sink = _ENTRIES[source]
        else:
            break
    return tile, source
