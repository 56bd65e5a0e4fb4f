"""Run a lowered program on the functional machine, from memory full of noise."""

import numpy as np

from sim.functional import FunctionalMachine


def run_lowered(lowered, graph, inputs, target):
    """Return every tensor that is in memory after a run, by name."""
    machine = FunctionalMachine(target)
    noise = min(len(machine.memory), 1 << 20)
    machine.memory[:noise] = np.random.default_rng(7).integers(0, 256, noise, np.uint8)
    machine.load(0, lowered.image)
    for name, values in inputs.items():
        machine.load(lowered.tensors[name], values.astype("<i2").tobytes())
    machine.run(lowered.program_address)
    return {name: tensor_of(machine.memory, lowered, lowered.graph, name)
            for name in lowered.tensors}


def tensor_of(memory, lowered, graph, name):
    """Return a tensor from a machine's memory."""
    tensor, address = graph.tensors[name], lowered.tensors[name]
    return memory[address:address + 2 * tensor.size].view("<i2").reshape(tensor.shape)
