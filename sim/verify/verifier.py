"""Checks a program's certificates, and proves anew what they claim, from the program file alone."""

from dataclasses import dataclass

import numpy as np

from compiler.fixed import Constant, Convolution, Lookup
from hdl.target import get_target
from sim.functional.errors import FunctionalError
from sim.functional.machine import channels_reach, prepare

from .accumulators import LIMIT, image_faults, nearest_sums
from .circuits import circuit_faults, step_circuit
from .memory import MemoryProof, memory_faults
from .ranges import tensor_ranges
from .tables import prove_tables, table_claims, table_faults

__all__ = ["Verdict", "verify_program"]


@dataclass(frozen=True)
class Verdict:
    """What the verifier found.

    Parameters
    ----------
    faults : list of str
        What is wrong, one line each; a program without any is proved.
    sums : list of NearestSum
        For each convolution the sum that comes nearest to an accumulator's limit.
    tables : list of TableProof
        How far each table of a function is from it.
    steps : int
        Steps whose circuits were followed.
    tensors : int
        Tensors in memory that were followed.
    """

    faults: list[str]
    sums: list
    tables: list
    steps: int
    tensors: int

    @property
    def proved(self):
        """Whether nothing is wrong."""
        return not self.faults


def verify_program(program, progress=None):
    """Verify a program.

    Parameters
    ----------
    program : compiler.program.Program
        The program, as read from its file.
    progress : callable, optional
        Called with a text as each part begins.

    Returns
    -------
    Verdict
    """
    say = progress or (lambda text: None)
    target = get_target(program.target)
    nearest = nearest_sums(program.graph)
    faults = [f"layer {one.layer}: partial sums reach {one.partial}, accumulators hold {LIMIT - 1}"
              for one in nearest if not one.safe]
    say("Verifying tables")
    tables = prove_tables(program.graph)
    claims = program.manifest.get("certificates") or {}
    faults += table_claims(claims.get("tables", ()), tables)
    steps = program.manifest["steps"]
    try:
        image = np.frombuffer(program.image, np.uint8)
        prepared = prepare(image, program.manifest["program_address"], target)
        if len(prepared.steps) != len(steps):
            faults.append(f"the image has {len(prepared.steps)} steps, the manifest {len(steps)}")
        else:
            faults += _image_faults(program, target, prepared, nearest, say)
    except FunctionalError as error:
        faults.append(f"the machine would refuse the image: {error}")
    return Verdict(faults, nearest, tables, len(steps), sum(
        entry["address"] is not None for entry in program.manifest["tensors"]))


def _image_faults(program, target, prepared, nearest, say):
    image = np.frombuffer(program.image, np.uint8)
    samples = image[:len(image) // 2 * 2].view("<i2")
    say("Verifying circuits")
    nodes = _nodes_of_steps(program)
    for index, (step, active) in enumerate(prepared.steps):
        where = f"step {index} (layer {program.manifest['steps'][index]['layer']})"
        for fault in circuit_faults(target, active, step.commit):
            yield f"{where}: {fault}"
        yield from table_faults(where, active, step_circuit(target, active, step.commit),
                                [node for node in nodes[index] if isinstance(node, Lookup)])
    say("Verifying sums")
    yield from image_faults(program.graph, target, prepared, samples,
                            _convolutions(program, nodes))
    say("Verifying memory")
    ends = [entry["address"] // 2 + int(np.prod(entry["maps"]))
            for entry in program.manifest["tensors"] if entry["address"] is not None]
    proof = MemoryProof(program, target, max(channels_reach(target, prepared), *ends,
                                             len(samples)))
    if 2 * len(proof.owner) > target.memory.size:
        yield (f"the program touches {2 * len(proof.owner)} bytes of memory, target {target.name} "
               f"has {target.memory.size}")
    yield from memory_faults(proof, prepared, samples)
    claims = program.manifest.get("certificates")
    if claims is not None:
        yield from _sum_claims(claims["accumulators"], nearest)
        yield from _memory_claims(claims["memory"], proof)


def _nodes_of_steps(program):
    """Return for each step the nodes between the tensors in memory and those that it writes."""
    makers, found = {node.output: node for node in program.graph.nodes}, []
    addresses = {entry["name"] for entry in program.manifest["tensors"]
                 if entry["address"] is not None}
    for step in program.manifest["steps"]:
        nodes, pending = {}, list(step["writes"])
        while pending:
            node = makers.get(pending.pop())
            if node is not None and node.name not in nodes:
                nodes[node.name] = node
                pending += [name for name in node.inputs if name not in addresses]
        found.append(list(nodes.values()))
    return found


def _convolutions(program, nodes_of_steps):
    """Return for each step the convolutions that it may work for, and their samples' range."""
    ranges, found = tensor_ranges(program.graph), []
    for step in nodes_of_steps:
        nodes = [node for node in step if isinstance(node, Convolution)]
        bounds = [ranges[node.inputs[0]] for node in nodes] or [(-(1 << 15), (1 << 15) - 1)]
        lows, highs = zip(*bounds, strict=True)
        found.append((nodes, (min(lows), max(highs))))
    return found


def _sum_claims(claims, nearest):
    """Yield certificates of accumulators that do not hold."""
    claimed = {claim["node"]: claim for claim in claims}
    for one in nearest:
        claim = claimed.get(one.node)
        if claim is None:
            yield f"layer {one.layer}: no certificate for its accumulators"
        elif claim["range"][0] > one.range[0] or claim["range"][1] < one.range[1]:
            yield (f"layer {one.layer}: its certificate takes samples for {claim['range']}, they "
                   f"reach {list(one.range)}")
        elif not one.partial <= claim["bound"] < claim["limit"] <= LIMIT:
            yield (f"layer {one.layer}: its certificate bounds sums by {claim['bound']} of "
                   f"{claim['limit']}, they reach {one.partial} of {LIMIT}")


def _memory_claims(blocks, proof):
    """Yield certificates of memory that do not hold."""
    for index, block in enumerate(blocks):
        for other in blocks[index + 1:]:
            if block["address"] < other["address"] + other["bytes"] \
                    and other["address"] < block["address"] + block["bytes"] \
                    and block["first"] <= other["last"] and other["first"] <= block["last"]:
                yield (f"certificate: tensors {block['tensor']!r} and {other['tensor']!r} overlap "
                       "while both are live")
    for name, (first, last) in proof.spans.items():
        if isinstance(proof.makers.get(name), Constant):
            continue  # stands in the image
        place = proof.place(name)
        if not any(block["address"] <= 2 * place.start
                   and 2 * place.stop <= block["address"] + block["bytes"]
                   and block["first"] <= first and last <= block["last"] for block in blocks):
            yield (f"certificate: tensor {name!r} is used from step {first} to {last}, no block of "
                   "memory is claimed for that")
