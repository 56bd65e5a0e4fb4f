"""Random networks with branches: against onnxruntime, in 16 bits, at extreme inputs, in a file."""

import numpy as np
import pytest

from compiler.execute import execute
from compiler.frontend.onnx_import import import_onnx
from compiler.serialise import decode_graph, encode_graph
from tests.compiler.models import model, node, random_inputs, run_onnx
from tests.compiler.quantised import calibrated

INPUTS = {"x": (1, 3, 8, 8), "z": (1, 5, 4, 4)}


class Maker:
    """A random network in the making.

    Parameters
    ----------
    seed : int
        Decides everything.
    """

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.nodes, self.constants = [], {}
        self.shapes = {name: shape[1:] for name, shape in INPUTS.items()}

    def constant(self, value):
        name = f"c{len(self.constants)}"
        self.constants[name] = value
        return name

    def add(self, op, inputs, shape, **attributes):
        name = f"t{len(self.nodes)}"
        self.nodes.append(node(op, inputs, name, **attributes))
        self.shapes[name] = shape
        return name

    def pick(self, fits=lambda shape: True):
        names = [name for name, shape in self.shapes.items() if fits(shape)]
        return names[self.rng.integers(len(names))]

    def grow(self):
        """Add one operation, on tensors that there are."""
        source = self.pick()
        shape = self.shapes[source]
        maps, rows, columns = shape
        match self.rng.integers(9):
            case 0:
                made = int(self.rng.integers(1, 6))
                weights = self.rng.normal(size=(made, maps, 3, 3)) / np.sqrt(9 * maps)
                self.add("Conv", [source, self.constant(weights)], (made, rows, columns),
                         pads=[1, 1, 1, 1])
            case 1:
                op = self.rng.choice(["Tanh", "Relu", "Abs", "Sigmoid", "Neg"])
                self.add(op, [source], shape)
            case 2 | 3:
                other = self.pick(lambda other: other == shape)
                op = self.rng.choice(["Add", "Sub", "Mul", "Max", "Min"])
                self.add(op, [source, other], shape)
            case 4:
                value = np.float32(self.rng.uniform(-0.5, 0.5))
                self.add(self.rng.choice(["Max", "Min", "Add", "Mul"]),
                         [source, self.constant(value)], shape)
            case 5:
                # A quotient by what is well away from 0.
                size = self.add("Abs", [source], shape)
                floor = self.add("Max", [size, self.constant(np.float32(0.3))], shape)
                root = self.add("Sqrt", [floor], shape)
                self.add("Div", [source, root], shape)
            case 6:
                other = self.pick(lambda other: other[1:] == shape[1:])
                self.add("Concat", [source, other], (maps + self.shapes[other][0], rows, columns),
                         axis=1)
            case 7:
                if rows <= 8:
                    self.add("Resize", [source, "", self.constant(np.array([1.0, 1, 2, 1]))],
                             (maps, 2 * rows, columns), mode="nearest")
            case 8:
                if rows >= 2:
                    self.add(self.rng.choice(["MaxPool", "AveragePool"]), [source],
                             (maps, rows // 2, columns), kernel_shape=[2, 1], strides=[2, 1])

    def finish(self):
        """Return the model: its outputs are what nothing reads, and one tensor on the way."""
        while len(self.nodes) < 14:
            self.grow()
        read = {name for one in self.nodes for name in one.input}
        outputs = [one.output[0] for one in self.nodes if one.output[0] not in read]
        inputs = {name: shape for name, shape in INPUTS.items() if name in read}
        return model(self.nodes, inputs, (*outputs, *{self.nodes[6].output[0]} - set(outputs)),
                     self.constants), inputs


@pytest.mark.parametrize("seed", range(24))
def test_a_random_network(seed):
    proto, shapes = Maker(seed).finish()
    graph = import_onnx(proto)
    inputs = random_inputs(shapes, seed=3)
    wanted = run_onnx(proto, inputs)
    tensors = execute(graph, inputs)
    for name, values in wanted.items():
        np.testing.assert_allclose(tensors[name].reshape(values.shape), values, rtol=1e-4,
                                   atol=1e-5)
    # Checks all shifts, too, and that extreme inputs stay within their bounds.
    _, quantised, summary, snr = calibrated(proto, shapes)
    assert min(snr.values()) > 45, f"{snr}\n{summary}"
    assert np.median(list(snr.values())) > 60, f"{snr}\n{summary}"
    text, arrays = encode_graph(quantised)
    assert encode_graph(decode_graph(text, arrays)) == (text, arrays)
