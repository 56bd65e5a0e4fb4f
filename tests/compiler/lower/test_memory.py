import dataclasses
import random

import pytest

from compiler.errors import CompileError
from compiler.lower import lower, verify_allocation
from compiler.lower.memory import allocate
from hdl.target import get_target
from tests.random_layers import lenet5, random_layer


@pytest.mark.parametrize("seed", range(50))
def test_blocks_that_live_together_never_overlap(seed):
    rng = random.Random(seed)
    sizes, spans = {}, {}
    for name in range(rng.randint(1, 12)):
        first = rng.randint(-1, 9)
        sizes[name], spans[name] = rng.randint(1, 1000), (first, first + rng.randint(0, 5))
    offsets, used = allocate(sizes, spans, 8)
    for a in sizes:
        assert offsets[a] % 8 == 0
        assert offsets[a] + sizes[a] <= used
        for b in sizes:
            together = spans[a][0] <= spans[b][1] and spans[b][0] <= spans[a][1]
            if a != b and together:
                assert (offsets[a] + sizes[a] <= offsets[b]
                        or offsets[b] + sizes[b] <= offsets[a])


def test_memory_is_used_again():
    offsets, used = allocate({"a": 64, "b": 64, "c": 64}, {"a": (0, 1), "b": (1, 2), "c": (2, 3)},
                             8)
    assert offsets["a"] == offsets["c"]
    assert used == 128


def test_verifier_finds_live_tensors_that_overlap():
    layer = lenet5()
    lowered = lower(layer.graph, get_target("tiny"))
    verify_allocation(lowered, layer.graph)
    image, output = layer.graph.inputs[0], layer.graph.outputs[0]
    moved = lowered.tensors | {output: lowered.tensors[image] + 8}
    with pytest.raises(CompileError, match=rf"tensors {image} at .* and {output} at .* overlap"):
        verify_allocation(dataclasses.replace(lowered, tensors=moved), layer.graph)


@pytest.mark.parametrize(("address", "what"), [(0, "the program"), (None, "the log")])
def test_verifier_finds_tensors_on_program_and_log(address, what):
    layer = random_layer(1, shape="conv")
    lowered = lower(layer.graph, get_target("tiny"))
    output = layer.graph.outputs[0]
    address = lowered.log["address"] if address is None else address
    aside = {name: place + 4096 for name, place in lowered.tensors.items()}
    moved = aside | {output: address}
    with pytest.raises(CompileError, match=f"tensor {output} at .* overlaps {what} at"):
        verify_allocation(dataclasses.replace(lowered, tensors=moved), layer.graph)


def test_inputs_and_outputs_survive_a_run():
    layer = lenet5()
    lowered = lower(layer.graph, get_target("tiny"))
    tensors = [layer.graph.tensors[name] for name in (*layer.graph.inputs, *layer.graph.outputs)]
    image, output = ((lowered.tensors[tensor.name], 2 * tensor.size) for tensor in tensors)
    writes = {name for step in lowered.steps for name in step["writes"]}
    for name in writes - {layer.graph.outputs[0]}:
        address, size = lowered.tensors[name], 2 * layer.graph.tensors[name].size
        assert address + size <= image[0] or image[0] + image[1] <= address
    assert output[0] + output[1] <= image[0] or image[0] + image[1] <= output[0]
