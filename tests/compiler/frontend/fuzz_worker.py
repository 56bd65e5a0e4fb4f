"""A process that compiles damaged models under limits of time and memory.

Reads lines of JSON, each a list of seeds; writes for each seed what it begins and how it ended.
"""

import faulthandler
import json
import os
import random
import resource
import sys
import tempfile
import traceback
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx.reference import ReferenceEvaluator

from compiler.compile import compile_graph
from compiler.errors import CompileError, UnsupportedError
from compiler.execute import execute
from compiler.frontend.onnx_import import import_onnx
from compiler.pipeline import simplify
from examples import lenet5
from hdl.target import get_target
from host.device import open_device
from tests.compiler import models
from tests.compiler.frontend.mutations import mutate
from tests.compiler.frontend.operator_cases import cases

#: Bytes of address space of the process; what it maps before the first case is about 1.5 GB.
MEMORY = 5 << 30
#: Seconds for a case, on a machine that does other things, too.
SECONDS = float(os.environ.get("NEUFLOW_FUZZ_SECONDS", "60"))
#: Characters of a line of a message.
LONGEST_LINE = 3000


EXAMPLE = Path(lenet5.__file__).parent / "lenet5.onnx"


def corpus():
    """Return valid models: LeNet-5, a network with branches, one of each operator."""
    protos = [parameter.values[0] for parameter in cases()]
    protos += [proto for _, proto, _ in models.layers()]
    network = models.network()[0]
    return protos, [network, onnx.load(EXAMPLE)]


def damaged(seed, protos, networks):
    """Return the bytes of a seed's model."""
    rng = random.Random(seed)
    return mutate(rng.choice(networks if rng.random() < 0.15 else protos), rng)


def check_message(error):
    """Raise AssertionError unless an error's message is short and one line a fault."""
    text = str(error)
    lines = text.split("\n")
    faults = len(error.faults) if isinstance(error, UnsupportedError) else 1
    assert text.strip() and all(line.isprintable() for line in lines), \
        f"not printable: {text!r}"
    assert len(lines) <= (1 if faults == 1 else 1 + faults), f"many lines: {text!r}"
    assert max(map(len, lines)) <= LONGEST_LINE, f"long: {text[:200]!r}"
    text.encode()


def compile_file(path):
    """Return the float graph and the program, or None and the refusal."""
    try:
        graph = import_onnx(path)
        program = compile_graph(simplify(graph), get_target("tiny"))
    except CompileError as error:
        check_message(error)
        return None, str(error)
    return (graph, program), ""


def check_bits(graph, program, inputs):
    """Run the functional machine and the reference; every output bit must agree."""
    runs = []
    for backend in ("reference", "functional"):
        with open_device(program, backend) as device:
            runs.append(device.run(inputs))
    for name in graph.outputs:
        np.testing.assert_array_equal(*(run[name] for run in runs), err_msg=name)


def check_float(graph, wanted, inputs, path):
    """Compare the float graph with onnxruntime's outputs; return whether they were comparable.

    They are not where ONNX's reference has other outputs than onnxruntime: the places of a Resize
    to lengths that are no whole numbers, and ties that single precision decides.
    """
    found = execute(graph, {name: values.reshape(1, *graph.shapes[name]).astype(np.float64)
                            for name, values in inputs.items()})
    # Single precision loses what is small beside the largest number on the way.
    largest = max(float(np.abs(values).max()) for values in found.values())
    if not largest < 1e6 or any(values.dtype.kind != "f" for values in wanted.values()):
        return False
    tolerance = {"rtol": 1e-3, "atol": 1e-4 * max(1.0, largest)}
    for name, values in wanted.items():
        assert values.shape == graph.output_shapes[name], f"{name}: shape {values.shape}"
        same = found[name].reshape(values.shape)
        if not np.allclose(same, values, **tolerance):
            reference = ReferenceEvaluator(onnx.load(path)).run([name], inputs)[0]
            if not np.allclose(reference, values, **tolerance):
                return False
            np.testing.assert_allclose(same, values, err_msg=name, **tolerance)
    return True


def run_onnxruntime(path, inputs):
    """Return onnxruntime's outputs by name."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs), strict=True))


def say(**fields):
    print(json.dumps(fields), flush=True)


def run(seed, path):
    """Check the model of a seed in a file; say how it went."""
    say(begin=seed)
    faulthandler.dump_traceback_later(SECONDS, exit=True)
    try:
        compiled, refusal = compile_file(path)
        if not compiled:
            return say(end=seed, how="refused", text=refusal)
        graph, program = compiled
        rng = np.random.default_rng(seed)
        inputs = {name: rng.uniform(-1, 1, shape).astype(np.float32)
                  for name, shape in graph.input_shapes.items()}
        check_bits(graph, program, inputs)
        # What onnxruntime does with a damaged file, dying included, is not our fault.
        say(foreign=seed)
        try:
            wanted = run_onnxruntime(path, inputs)
        except Exception:  # it raises many kinds
            return say(end=seed, how="compiled")
        say(ours=seed)
        same = check_float(graph, wanted, inputs, path)
        say(end=seed, how="compared" if same else "compiled")
    except BaseException:
        say(end=seed, how="failed", text=traceback.format_exc()[-3000:])
    finally:
        faulthandler.cancel_dump_traceback_later()


def main():
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    warnings.simplefilter("error")
    protos = corpus()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.onnx"
        # What an initialiser with external data may name.
        path.with_name("weights.bin").write_bytes(bytes(range(64)))
        for line in sys.stdin:
            for seed in json.loads(line):
                path.write_bytes(damaged(seed, *protos))
                run(seed, path)
            say(peak=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


if __name__ == "__main__":
    main()
