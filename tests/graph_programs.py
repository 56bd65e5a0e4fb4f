"""Programs of fixed-point graphs, without the compiler's front end."""

from compiler.lower import lower
from compiler.program import Program

__all__ = ["graph_program"]


def graph_program(graph, target):
    """Return the program of a graph, ready for `Device.load` and `Device.run_samples`."""
    lowered = lower(graph, target)

    def endpoint(name):
        tensor = lowered.graph.tensors[name]
        return {"name": name, "maps": list(tensor.shape), "fraction": tensor.fraction,
                "address": lowered.tensors[name]}

    manifest = {
        "program_address": lowered.program_address, "steps": lowered.steps, "log": lowered.log,
        "inputs": [endpoint(name) for name in graph.inputs],
        "outputs": [endpoint(name) for name in graph.outputs],
        "tensors": [endpoint(name) for name in lowered.tensors]}
    return Program(target.name, target.fingerprint, manifest, lowered.image, graph)
