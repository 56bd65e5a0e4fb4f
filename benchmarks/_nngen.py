"""Generates NNgen's Verilog for an ONNX model; runs in the interpreter that has NNgen.

``python _nngen.py MODEL.onnx INPUT.npy FOLDER '{"attributes": {"par_och": 2}, "bus": 32}'`` writes

- ``peer.v``: the accelerator, its addresses fixed,
- ``memory.npy``: bytes of its memory before the run,
- ``output.npy``: bytes of its output as NNgen's own software model computes them,
- ``peer.json``: address of the output.
"""

import json
import sys
from pathlib import Path

import nngen
import numpy as np

#: Bytes to whose multiples NNgen aligns what it puts in memory.
CHUNK = 64


def build(model):
    """Return (input, output, operators) of a model in 16 bits, quantised."""
    kinds = {f"default_{kind}_dtype": nngen.int16
             for kind in ("placeholder", "variable", "constant", "operator", "scale", "bias")}
    outputs, inputs, _, _, operators = nngen.from_onnx(model, value_dtypes={}, **kinds)
    nngen.quantize(outputs, input_scale_factors=dict.fromkeys(inputs, 1.0))
    (source,), (result,) = inputs.values(), outputs.values()
    return source, result, operators.values()


def laid_out(node, samples):
    """Return the bytes of 16-bit samples as they stand in memory: last axis padded."""
    padded = np.zeros(node.aligned_shape, "<i2")
    padded[..., :samples.shape[-1]] = samples
    return np.frombuffer(padded.tobytes(), np.uint8)


def main(model, samples, folder, options):
    """Write everything into a folder."""
    folder, options = Path(folder), json.loads(options)
    source, result, operators = build(model)
    for node in operators:
        if isinstance(node, nngen.conv2d):
            node.attribute(**options["attributes"])
    samples = np.load(samples).astype(np.int64)
    if source.perm is not None:
        samples = np.transpose(samples, source.perm)
    expected, = nngen.eval([result], **{source.name: samples})

    text = nngen.to_verilog([result], "peer", silent=True,
                            config={"maxi_datawidth": options["bus"],
                                    "offchipram_chunk_bytes": CHUNK})
    (folder / "peer.v").write_text(text)
    parameters = nngen.export_ndarray([result], CHUNK)
    start = -(-(source.addr + source.memory_size) // CHUNK) * CHUNK
    memory = np.zeros(start + len(parameters), np.uint8)
    placed = laid_out(source, samples)
    memory[source.addr:source.addr + len(placed)] = placed
    memory[start:] = parameters
    np.save(folder / "memory.npy", memory)
    np.save(folder / "output.npy", laid_out(result, expected))
    (folder / "peer.json").write_text(json.dumps({"output": result.addr}))


if __name__ == "__main__":
    main(*sys.argv[1:])
