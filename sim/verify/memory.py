"""No live tensor is overwritten: every sample that a step reads is still the tensor it asks for.

Memory is followed step by step, by the addresses that the registers make: who wrote a sample last.
"""

import numpy as np

from compiler.fixed import Concat, Constant, Move, Reshape
from sim.functional.convolver import used_samples, weight_stream
from sim.functional.dma import read_addresses
from sim.functional.writes import step_writes

from .circuits import step_circuit

__all__ = ["MemoryProof", "memory_faults"]

_NOBODY = -1


class MemoryProof:
    """Who owns each sample of memory while a program runs.

    Parameters
    ----------
    program : compiler.program.Program
        The program.
    target : Target
        The machine.
    size : int
        Samples of memory that it can touch.

    Attributes
    ----------
    spans : dict of str to list
        First and last step in which each tensor's samples were written or read; -1 is before the
        first step.
    """

    def __init__(self, program, target, size):
        self.program, self.target = program, target
        self.owner = np.full(size, _NOBODY, np.int32)
        self.entries = {entry["name"]: entry for entry in program.manifest["tensors"]
                        if entry["address"] is not None}
        self.names = list(self.entries)
        self.number = {name: number for number, name in enumerate(self.names)}
        self.makers = {node.output: node for node in program.graph.nodes}
        self.spans = {}
        # Equal constants stand in the image once: all are known as the first of them.
        first = {}
        for name in self.names:
            if isinstance(self.makers.get(name), Constant):
                place = self.place(name)
                self.number[name] = first.setdefault((place.start, place.stop), self.number[name])

    def place(self, name):
        """Return the slice of memory that a tensor takes."""
        start = self.entries[name]["address"] // 2
        return slice(start, start + int(np.prod(self.entries[name]["maps"])))

    def own(self, name, addresses, step):
        """Note that a step writes samples of a tensor."""
        self.owner[addresses] = self.number[name]
        self.spans.setdefault(name, [step, step])[1] = step

    def sources(self, name):
        """Return the tensors in memory that a step reads to make one."""
        found = []
        for source in self.makers[name].inputs:
            found += [source] if source in self.entries else self.sources(source)
        return found

    def parts(self, name):
        """Return a tensor and those whose samples it shares: reshaped, concatenated, moved."""
        found, node = {name}, self.makers.get(name)
        if isinstance(node, (Concat, Move, Reshape)):
            for source in node.inputs:
                found |= self.parts(source)
        return found

    def constant(self, name):
        """Return whether a tensor is a constant of the image or lies in one that it views."""
        place = self.place(name)
        within = [self.place(part) for part in self.parts(name) & self.entries.keys()
                  if isinstance(self.makers.get(part), Constant)]
        return any(whole.start <= place.start and place.stop <= whole.stop for whole in within)

    def strangers(self, names, addresses, step):
        """Return the first address that does not hold one of some tensors, or None."""
        allowed = {part for name in names for part in self.parts(name)} & self.number.keys()
        owners = self.owner[addresses]
        wrong = ~np.isin(owners, [self.number[name] for name in allowed])
        for number in np.unique(owners[~wrong]):
            span = self.spans[self.names[number]]
            span[1] = max(span[1], step)
        return int(addresses[wrong][0]) if wrong.any() else None

    def holder(self, address):
        """Return what stands at an address, for people."""
        number = int(self.owner[address])
        return "nothing" if number == _NOBODY else f"tensor {self.names[number]!r}"


def memory_faults(proof, prepared, image):
    """Yield what is wrong with a program's memory, one line each.

    Parameters
    ----------
    proof : MemoryProof
        Of the program; its spans are filled.
    prepared : sim.functional.machine.Prepared
        The program, read.
    image : array of int16
        The image by sample address.
    """
    program, target = proof.program, proof.target
    for name in program.graph.inputs:
        proof.own(name, proof.place(name), -1)
    for node in program.graph.nodes:
        if isinstance(node, Constant) and node.output in proof.entries:
            place = proof.place(node.output)
            proof.own(node.output, place, -1)
            if not np.array_equal(image[place], node.values.ravel()):
                yield f"constant {node.output!r} does not stand in the image"
    yield from _fixed_faults(proof, prepared, len(image))
    described = program.manifest["steps"]
    for index, (step, active) in enumerate(prepared.steps):
        where = f"step {index} (layer {described[index]['layer']})"
        writes = [name for name in described[index]["writes"] if name in proof.entries]
        if not writes or len(writes) < len(described[index]["writes"]):
            yield f"{where}: says that it writes {described[index]['writes']}, which has no memory"
            continue
        sources = [source for name in writes for source in proof.sources(name)]
        read, reads = np.zeros(len(proof.owner), bool), {}
        for port, addresses in _needed_reads(target, active, step.commit, image):
            read[addresses], reads[port] = True, addresses
            stranger = proof.strangers(sources, addresses, index)
            if stranger is not None:
                yield (f"{where}: port {port} reads {proof.holder(stranger)} at {2 * stranger:#x}, "
                       f"where it needs {' or '.join(map(repr, sources))}")
        channels = step_writes(target, active, step.commit)
        # A view that is copied onto itself keeps every sample.
        views = all(source in proof.parts(name) for name in writes for source in sources)
        for port, addresses in channels:
            if read[addresses].any() and not views:
                place = int(addresses[read[addresses]][0])
                yield f"{where}: port {port} writes {2 * place:#x}, which the step reads, too"
        same = views and all(np.array_equal(addresses, reads.get(port))
                             for port, addresses in channels)
        yield from _write_faults(proof, writes, channels, index, where, same)
    for name in program.graph.outputs:
        stranger = proof.strangers([name], np.arange(proof.place(name).start,
                                                     proof.place(name).stop), len(described))
        if stranger is not None:
            yield (f"output {name!r} is not whole at the end: {proof.holder(stranger)} stands at "
                   f"{2 * stranger:#x}")


def _write_faults(proof, writes, channels, index, where, same):
    """Yield writes outside of tensors; with ``same`` every sample is written where it was read."""
    for port, addresses in channels:
        rest = np.ones(addresses.size, bool)
        for name in writes:
            place = proof.place(name)
            inside = (addresses >= place.start) & (addresses < place.stop)
            if not same:
                proof.own(name, addresses[inside], index)
            rest &= ~inside
        if rest.any():
            yield (f"{where}: port {port} writes {2 * int(addresses[rest][0]):#x}, outside of "
                   f"{', '.join(map(repr, writes))}")


def _fixed_faults(proof, prepared, image_size):
    """Yield writes into program, weights or log."""
    log, steps = proof.program.manifest["log"], len(prepared.steps)
    fixed = [("the program", 0, image_size),
             ("the log", log["address"] // 2, (log["address"] + 4 * log["words"] * steps) // 2)]
    for name in proof.names:
        place = proof.place(name)
        for what, start, stop in fixed:
            if place.start < stop and start < place.stop and not proof.constant(name):
                yield f"tensor {name!r} at {2 * place.start:#x} overlaps {what}"


def _needed_reads(target, active, mask, image):
    """Yield (port, addresses) of the samples that a step's result depends on."""
    circuit = step_circuit(target, active, mask)
    for place in circuit.nodes:
        tile, unit = place[:2]
        if unit != "read":
            continue
        port = target.port_of_tile(tile)
        node = target.tiles + port
        if not (mask >> node & 1 and active[node]["read"]["enable"]):
            continue
        addresses = read_addresses(active[node]["read"], active[node]["read_table"])
        users = list(_users(circuit, place))
        if all(user is not None for user in users):
            repeat = active[node]["read"]["repeat"]
            addresses = np.concatenate([
                _unmasked(target, active, *user, addresses, repeat, image) for user in users])
        yield port, addresses.ravel()


def _users(circuit, place):
    """Yield (tile, stream) of each convolver that takes samples as they are; None for others."""
    for _, user, sink in circuit.out_edges(place, data="sink"):
        if user[1] == "hop":
            yield from _users(circuit, user)
        else:
            yield (user[0], ("conv_a", "conv_b").index(sink)) if user[1] == "convolver" else None


def _unmasked(target, active, tile, stream, addresses, repeat, image):
    """Return the addresses of samples that are neither masked nor only met by weights of 0."""
    registers, macs = active[tile]["convolver"], active[tile]["mac"]
    channel = active[target.tiles + target.port_of_tile(tile)]["weights"]
    _, _, weights = weight_stream(registers, target, np.tile(
        image[channel["base"]:channel["base"] + channel["length"]], channel["repeat"]))
    rows, columns = registers["data_height"], registers["data_width"]
    frames = np.broadcast_to(addresses, (repeat, *addresses.shape)).reshape(
        registers["passes"], registers["entries"], registers["interleave"], rows, columns)
    kinds = registers["kinds"]
    # Entries whose weights stand in the same MACs, and that place their samples alike.
    busy_macs = weights.any(axis=(0, 2)).reshape(weights.shape[1], -1)
    sets, number = np.unique(busy_macs, axis=0, return_inverse=True)
    samples = used_samples(registers, macs, target, sets, stream)
    kind_of, parts = np.arange(len(busy_macs)) % kinds, []
    for one, kind in sorted({*zip(number.ravel().tolist(), kind_of.tolist(), strict=True)}):
        x, y = int(registers["kind_x"][kind]), int(registers["kind_y"][kind])
        used = samples[one, y:y + rows, x:x + columns].copy()
        used[int(registers["kind_height"][kind]):] = False
        used[:, int(registers["kind_width"][kind]):] = False
        chosen = (number.ravel() == one) & (kind_of == kind)
        busy = weights[:, chosen].any(axis=(3, 4))
        parts.append(frames[:, chosen][busy][:, used].ravel())
    return np.concatenate(parts)
