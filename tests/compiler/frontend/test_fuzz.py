"""Damaged ONNX files: one clear refusal, or a program that computes what the file says.

Each case runs under limits of time and memory in a process of its own kind, `fuzz_worker`. To look
at one: ``echo '[SEED]' | python -m tests.compiler.frontend.fuzz_worker``.
"""

import json
import os
import random
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from compiler.frontend import onnx_import
from tests.compiler import models
from tests.compiler.frontend import fuzz_worker
from tests.compiler.frontend.mutations import mutate

#: Bytes of memory that a worker may have held: its modules and models, and the largest case.
MOST_RESIDENT = 3 << 30


def work(seeds):
    """Run seeds in workers; return how each ended and the most kilobytes that a worker held."""
    ended, peak = {}, 0
    while left := [seed for seed in seeds if seed not in ended]:
        worker = subprocess.run(
            [sys.executable, "-m", fuzz_worker.__name__], input=json.dumps(left), text=True,
            capture_output=True, env=os.environ | {"OMP_NUM_THREADS": "1",
                                                   "OPENBLAS_NUM_THREADS": "1"})
        last = None
        for line in worker.stdout.splitlines():
            last = json.loads(line)
            if "end" in last:
                ended[last["end"]] = last
            peak = max(peak, last.get("peak", 0))
        if last and "foreign" in last:
            # Killed in onnxruntime, after what is ours had passed.
            ended[last["foreign"]] = {"how": "compiled"}
        elif last and "peak" not in last and "end" not in last:
            seed = last.get("begin", last.get("ours"))
            ended[seed] = {"how": "died", "text": worker.stderr[-3000:]}
        elif left == [seed for seed in seeds if seed not in ended]:
            raise RuntimeError(f"the worker ends at once:\n{worker.stderr}")
    return ended, peak


def check(seeds):
    ended, peak = work(seeds)
    bad = {seed: result for seed, result in ended.items() if result["how"] in ("failed", "died")}
    assert not bad, "\n\n".join(f"seed {seed} {result['how']}: {result['text']}"
                                for seed, result in list(bad.items())[:5])
    assert 1024 * peak < MOST_RESIDENT
    return Counter(result["how"] for result in ended.values())


def test_damaged_models_are_refused_or_right():
    counts = check(range(300))
    # Faults that all are refused, or none, would show little.
    assert counts["refused"] > 150 and counts["compared"] > 30, counts


@pytest.mark.slow
@pytest.mark.parametrize("batch", range(20))
def test_many_damaged_models_are_refused_or_right(batch):
    check(range(1000 + 500 * batch, 1500 + 500 * batch))


def test_a_wrong_compiler_is_found(tmp_path, monkeypatch):
    proto, shapes = models.network()
    path = tmp_path / "net.onnx"
    path.write_bytes(proto.SerializeToString())
    inputs = {name: np.full(shape, 0.5, np.float32) for name, shape in shapes.items()}
    wanted = models.run_onnx(proto, inputs)
    graph = onnx_import.import_onnx(proto)
    assert fuzz_worker.check_float(graph, wanted, inputs, path)
    right = fuzz_worker.execute
    monkeypatch.setattr(fuzz_worker, "execute", lambda *arguments: {
        name: values + 0.01 for name, values in right(*arguments).items()})
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        fuzz_worker.check_float(graph, wanted, inputs, path)


@pytest.mark.parametrize("text", ["one\ntwo", "\x00", " ", "x" * 10000])
def test_a_message_that_is_no_line_is_found(text):
    with pytest.raises(AssertionError):
        fuzz_worker.check_message(ValueError(text))


def test_a_worker_that_dies_is_told_from_one_that_ends(monkeypatch):
    """A worker with no time for any case dies in the first; the seeds after it still run."""
    monkeypatch.setenv("NEUFLOW_FUZZ_SECONDS", "0.001")
    ended, _ = work([1, 2])
    assert {result["how"] for result in ended.values()} <= {"died", "refused", "compiled"}
    assert len(ended) == 2


def test_mutations_depend_on_the_seed_alone():
    proto, _ = models.network()
    before = proto.SerializeToString(deterministic=True)
    made = [[mutate(proto, random.Random(seed)) for seed in range(50)] for _ in range(2)]
    assert made[0] == made[1] and len(set(made[0])) > 40
    assert proto.SerializeToString(deterministic=True) == before
