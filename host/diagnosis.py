"""What nodes of a machine that are not done wait for, in words: from image and counters."""

import math
from dataclasses import dataclass

from sim.functional import FunctionalError
from sim.functional.machine import prepare

__all__ = ["describe_nodes", "describe_ports", "step_registers"]


def step_registers(program, target, number):
    """Return the registers that a step runs with.

    Parameters
    ----------
    program : compiler.program.Program
        The program.
    target : Target
        Its machine.
    number : int
        The step.

    Returns
    -------
    list of dict
        For each node the registers of its units by name; an empty dict for a node that no step has
        set up. All are empty if the image cannot be read.
    """
    try:
        prepared = prepare(program.image, program.manifest["program_address"], target)
    except FunctionalError:
        return [{}] * target.nodes
    return [units or {} for units in prepared.steps[number][1]]


@dataclass(frozen=True)
class _Transfer:
    """A channel at work.

    Parameters
    ----------
    total : int
        Samples it moves in the step.
    moved, waited : int or None
        Samples it has moved, and cycles that memory kept the tile waiting; None if not counted.
    """

    total: int
    moved: int | None = None
    waited: int | None = None

    @property
    def short(self):
        """Whether samples are known to be missing."""
        return self.moved is not None and self.moved < self.total


def _transfers(port, tile, units, counted):
    """Return the `_Transfer` of each channel of a port that the step has enabled."""
    def count(event):
        return counted.get(event) if counted else None

    transfers = {}
    for name, factors in (("read", ("repeat", "entries")), ("write", ("entries",))):
        values = units.get(name, {"enable": 0})
        if values["enable"]:
            total = math.prod((*(max(1, values[factor]) for factor in factors),
                               *values["count"].tolist()))
            transfers[name] = _Transfer(total, count(f"port{port}_{name}_active"),
                                        count(f"port{port}_{name}_stall"))
    values = units.get("weights", {"enable": 0})
    if values["enable"]:
        transfers["weights"] = _Transfer(values["length"] * values["repeat"], None,
                                         count(f"convolver{tile}_stall_weights"))
    return transfers


def _describe_transfer(name, transfer):
    source = "the tile" if name == "write" else "memory"
    text = f"{transfer.total:,} samples"
    if transfer.short:
        text = f"{transfer.moved:,} of {text} have come from {source}"
    elif name == "write" and transfer.moved is not None:
        return (f"{name} channel (all {text} have come from {source}, memory has not confirmed the "
                f"last of them)")
    if transfer.waited:
        text += f", the tile waited {transfer.waited:,} cycles for memory"
    return f"{name} channel ({text})"


def _unfinished(transfers, feeds, cycles):
    """Return the transfers that keep a port busy; the hardware says only that some do.

    Parameters
    ----------
    transfers : dict of str to _Transfer
        Of its enabled channels.
    feeds : bool
        Whether a convolver that takes the port's weights is not done.
    cycles : int or None
        Cycles since the step began.
    """
    if not all(one.moved is not None for name, one in transfers.items() if name != "weights"):
        return transfers
    short = {name: one for name, one in transfers.items() if one.short}
    weights = transfers.get("weights")
    # Weights are not counted: without any the convolver waits for most of the time.
    if weights and feeds and (not short or weights.waited > cycles // 2):
        short["weights"] = weights
    return short or {name: one for name, one in transfers.items() if name == "write"}


def _describe_port(port, target, units, mask, counted, cycles):
    tile = target.dma_tiles[port]
    transfers = _unfinished(_transfers(port, tile, units, counted), mask >> tile & 1, cycles)
    channels = " and ".join(_describe_transfer(name, one) for name, one in transfers.items())
    return f"DMA port {port} (tile {tile})" + f": {channels}" * bool(channels)


def describe_nodes(mask, target, units=None, counted=None, cycles=None):
    """Say which nodes a mask names, and what their DMA channels still have to move.

    Parameters
    ----------
    mask : int
        Nodes: tiles, then DMA ports.
    target : Target
        The machine.
    units : list of dict, optional
        Their registers, see `step_registers`.
    counted : dict of str to int, optional
        What each counter counted since the step began.
    cycles : int, optional
        Cycles since then.

    Returns
    -------
    str
        Ports first, parted by semicolons.
    """
    ports = [_describe_port(port, target, units[target.tiles + port] if units else {}, mask,
                            counted, cycles)
             for port in range(target.ports) if mask >> target.tiles + port & 1]
    tiles = [f"convolver of tile {tile}" for tile in range(target.tiles) if mask >> tile & 1]
    return "; ".join(ports + tiles) or "no node"


def describe_ports(mask, target):
    """Say which DMA ports a mask names."""
    return describe_nodes(mask << target.tiles, target)
