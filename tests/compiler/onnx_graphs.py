"""Hypothesis strategy of small ONNX graphs with branches and joins, on tensors of any rank."""

from hypothesis import strategies as st

from tests.compiler.graph_arithmetic import ARITHMETIC, MAP_ARITHMETIC
from tests.compiler.graph_maker import GraphMaker
from tests.compiler.graph_moves import MAP_MOVES, MOVES
from tests.compiler.models import model, node

__all__ = ["onnx_graphs"]


@st.composite
def onnx_graphs(draw, most_nodes=10):
    """Return (model, {input: shape}, chosen).

    Outputs are all tensors that no node reads, and one more; ``chosen`` is that of `GraphMaker`,
    whose tensors are outputs, too.
    """
    make = GraphMaker(draw)
    for _ in range(draw(st.integers(most_nodes // 2, most_nodes))):
        name = make.one_of(make.shapes)
        shape = make.shapes[name]
        kinds = [MOVES, ARITHMETIC]
        if 3 <= len(shape) <= 5:
            kinds += [MAP_ARITHMETIC, MAP_ARITHMETIC, MAP_MOVES]
        make.one_of(make.one_of(kinds))(make, name, shape)
    while not make.nodes:
        make.add("Relu", ["x"], make.shapes["x"])
    read = {name for one in make.nodes for name in one.input}
    made = [name for one in make.nodes for name in one.output]
    sources = [name for name, _, _ in make.chosen.values()]
    outputs = dict.fromkeys([*(name for name in made if name not in read),
                             *(name for name in sources if name in made), make.one_of(made)])
    # An input of the network is an output only behind a node.
    for name in dict.fromkeys(sources):
        if name in make.inputs:
            make.nodes.append(node("Identity", [name], f"{name}_same"))
            outputs[f"{name}_same"] = None
    inputs = {name: shape for name, shape in make.inputs.items() if name in read}
    chosen = {name: (source if source in made else f"{source}_same", axis, sign)
              for name, (source, axis, sign) in make.chosen.items()}
    proto = model(make.nodes, inputs, tuple(outputs), make.constants, opset=make.opset,
                  integers=tuple(make.chosen))
    return proto, inputs, chosen
