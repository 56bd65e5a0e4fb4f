"""Feeding frames to convolvers: each from a read channel of its own, or several from one.

Convolvers that make different maps of the same blocks take the same samples. One read channel
then brings them to one tile, and the routers hand them on from neighbour to neighbour.
"""

from collections import deque
from dataclasses import dataclass
from functools import lru_cache

from .circuit import Circuit, loops, route
from .placement import OPPOSITE, partners

__all__ = ["can_share", "feed_circuit"]


@dataclass(frozen=True)
class _Tree:
    """Links that bring the samples of one tile's read channel to convolvers.

    Parameters
    ----------
    root : int
        Tile whose DMA port reads.
    links : tuple of tuple
        (tile, direction) of each link, nearest to the root first.
    """

    root: int
    links: tuple[tuple[int, str], ...]


def _groups(jobs):
    """Return the places in a batch of the jobs that share their frames, as ranges."""
    firsts = [place for place, job in enumerate(jobs) if not job.shared]
    return tuple(zip(firsts, [*firsts[1:], len(jobs)], strict=True))


def _used_links(jobs, target):
    """Return the links (tile, direction) that drains and second input streams take."""
    used = set()
    for tile, job in zip(target.convolvers, jobs, strict=False):
        if tile in partners(target):
            other, direction = partners(target)[tile]
            if job.streams == 2:
                used.add((tile, direction))
            if job.input_streams == 2:
                used.add((other, OPPOSITE[direction]))
    return frozenset(used)


def can_share(jobs, target):
    """Return whether there are links for all jobs of a batch that share their frames."""
    return _trees(_groups(jobs), _used_links(jobs, target), target) is not None


@lru_cache
def _trees(groups, used, target):
    """Return the `_Tree` of each group of convolvers, or None if the links do not suffice."""
    trees = []
    for first, end in groups:
        tiles = target.convolvers[first:end]
        roots = [*tiles, *(partners(target)[tile][0] for tile in tiles if tile in partners(target))]
        if len(tiles) == 1:
            roots = tiles
        grown = [tree for root in roots if (tree := _grow(root, tiles, used, target))]
        if not grown:
            return None
        trees.append(min(grown, key=lambda tree: len(tree.links)))
        used |= set(trees[-1].links)
    return tuple(trees)


def _grow(root, tiles, used, target):
    """Return the tree from ``root`` to all ``tiles`` along links not used yet, or None."""
    links, reached, missing = [], [root], set(tiles) - {root}
    while missing:
        path = _shortest(reached, missing, used, target)
        if path is None:
            return None
        links += path
        reached += [target.neighbour(*link) for link in path]
        missing -= set(reached)
    return _Tree(root, tuple(links))


def _shortest(reached, missing, used, target):
    """Return the links of a shortest path from a tile that is reached to one that is not."""
    paths = {tile: [] for tile in reached}
    waiting = deque(reached)
    while waiting:
        tile = waiting.popleft()
        if tile in missing:
            return paths[tile]
        for direction in OPPOSITE:
            other = target.neighbour(tile, direction)
            if other is not None and other not in paths and (tile, direction) not in used:
                paths[other] = [*paths[tile], (tile, direction)]
                waiting.append(other)
    return None


def feed_circuit(jobs, source, target):
    """Return the read channels and links that bring the jobs of a batch their frames.

    Parameters
    ----------
    jobs : list of Job
        One for each convolver in use.
    source : int
        Sample address of the input tensor.
    target : Target
        The machine.
    """
    circuit = Circuit()
    groups = _groups(jobs)
    trees = _trees(groups, _used_links(jobs, target), target)
    for (first, end), tree in zip(groups, trees, strict=True):
        job, tiles = jobs[first], target.convolvers[first:end]
        walk, *second = job.walks(target)
        _set_read(circuit, tree.root, job, walk, source, target)
        if second:
            other, direction = partners(target)[tree.root]
            _set_read(circuit, other, job, second[0], source, target)
            route(circuit, other, {OPPOSITE[direction]: "dma"})
            route(circuit, tree.root, {"conv_b": direction})
        arrives = {tree.root: "dma"}
        for tile, direction in tree.links:
            route(circuit, tile, {direction: arrives[tile]})
            arrives[target.neighbour(tile, direction)] = OPPOSITE[direction]
        for tile in tiles:
            route(circuit, tile, {"conv_a": arrives[tile]})
    return circuit


def _set_read(circuit, tile, job, walk, source, target):
    """Set the read channel of a tile's port."""
    work, frames = job.work, job.frames
    order = [(frames.x.data, work.stride[1]), (frames.y.data, work.stride[0] * work.size[1])]
    if job.assignment.interleave > 1:
        order.append((job.assignment.interleave, walk.group_stride))
    port = target.tiles + target.port_of_tile(tile)
    circuit.set(port, "read", {"enable": 1, "repeat": walk.repeat, "entries": len(walk.table)}
                | loops(*order, *walk.inner))
    circuit.set(port, "read_table", [source + offset for offset in walk.table])
