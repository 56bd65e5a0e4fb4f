import dataclasses
import json
import random
from types import SimpleNamespace

import numpy as np
import pytest

from compiler.compile import compile_model
from compiler.fixed import Lookup, Tensor
from compiler.functions import FUNCTIONS, get_function
from compiler.tables import make_table, table_error
from examples.lenet5 import data, evaluate
from hdl.target import get_target
from sim.functional import prepare
from sim.verify import tables, verify_program
from sim.verify.tables import prove_table
from tests.compiler.models import model, node
from tests.compiler.test_tables import PARAMETERS
from tests.sim.verify.mutations import changed_register

TINY = get_target("tiny")


@pytest.fixture(scope="module")
def lenet():
    return compile_model(evaluate.MODEL, "tiny", data.calibration())


def proof(name, formats, parameters=None, table=None):
    """Return the proof of a table, by default the compiler's, for a function."""
    parameters = PARAMETERS.get(name, ()) if parameters is None else parameters
    table = table or make_table(get_function(name, parameters), *formats)
    graph = SimpleNamespace(tensors={"x": Tensor("x", (1, 1, 1), formats[0]),
                                     "y": Tensor("y", (1, 1, 1), formats[1])})
    return prove_table(Lookup("n", ("x",), "y", "layer", name, table, parameters), graph)


def test_the_verifier_knows_every_function():
    assert tables.FUNCTIONS.keys() == FUNCTIONS.keys()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_both_formulas_of_a_function_find_the_same_error(name):
    for formats in ((8, 8), (12, 12), (11, 13), (9, 0)):
        if name == "steps" and formats[1]:
            continue
        function = get_function(name, PARAMETERS.get(name, ()))
        own = table_error(make_table(function, *formats), function, *formats)
        found = proof(name, formats)
        # Where a real number lies on a tie, the verifier takes either neighbour.
        assert found.error in (own, own - 1), formats
        if found.allowed == 0:
            assert own == 0


@pytest.mark.parametrize(("name", "parameters", "made"), [
    ("tanh", (), "sigmoid"), ("sqrt", (), "log"), ("elu", (0.8,), "elu"), ("clip", (-1.0, 2.01),
                                                                            "clip"),
    ("selu", (1.6733, 1.06), "selu"), ("power", (5.0,), "power"), ("gelu", (), "gelu_tanh"),
    ("leaky_relu", (0.11,), "leaky_relu"), ("relu", (), "identity"), ("mish", (), "swish"),
])
def test_a_table_of_another_function_is_found(name, parameters, made):
    table = make_table(get_function(made, PARAMETERS.get(made, ())), 12, 12)
    found = proof(name, (12, 12), parameters, table)
    assert found.error > found.allowed


def test_a_clip_that_is_one_step_off_is_found():
    table = dataclasses.replace(make_table(get_function("clip", (-1.0, 2.0)), 8, 8), high=513)
    found = proof("clip", (8, 8), table=table)
    assert (found.error, found.allowed) == (1, 0)


def test_lenet5_and_its_claims(lenet):
    verdict = verify_program(lenet)
    assert verdict.proved
    assert [one.function for one in verdict.tables] == ["tanh"] * 3
    assert max(one.error for one in verdict.tables) <= 1


def test_a_table_far_from_its_function_needs_a_claim():
    proto = model([node("Sin", ["x"], "y")], {"x": (1, 1, 8, 8)})
    program = compile_model(proto, "tiny", {"x": np.linspace(-20, 20, 640).reshape(-1, 1, 8, 8)})
    error, = (one["error"] for one in program.manifest["certificates"]["tables"])
    assert error > 1 and verify_program(program).proved
    manifest = json.loads(json.dumps(program.manifest))
    manifest["certificates"]["tables"][0]["error"] = error - 1
    faults = verify_program(dataclasses.replace(program, manifest=manifest)).faults
    assert any(f"its table of sin is up to {error} steps of" in fault
               and f"{error - 1} are allowed" in fault for fault in faults), faults


def test_a_function_without_a_name_is_not_proved(lenet):
    nodes = tuple(dataclasses.replace(one, function="f") if isinstance(one, Lookup) else one
                  for one in lenet.graph.nodes)
    graph = dataclasses.replace(lenet.graph, nodes=nodes)
    faults = verify_program(dataclasses.replace(lenet, graph=graph)).faults
    assert any("layer tanh1: its table of f cannot be checked" in fault for fault in faults)


def test_any_changed_word_of_a_table_is_found_and_named(lenet):
    rng = random.Random(4)
    (_, active), *_ = prepare(np.frombuffer(lenet.image, np.uint8), 0, TINY).steps
    tile = next(tile for tile in range(TINY.tiles)
                if active[tile] and active[tile]["mapper_table"][1].any())
    words = int(active[tile]["mapper_table"][1].sum())
    for index in [0, 1, words - 1, *rng.sample(range(words), 12)]:
        bit = rng.randrange(32)
        changed = changed_register(lenet, 0, tile, "mapper_table", "word",
                                   lambda word, bit=bit: word ^ 1 << bit, index)
        fault, = verify_program(changed).faults
        assert fault.startswith(f"step 0 (layer conv1+tanh1+pool1), tile {tile}: word {index} of "
                                "the mapper's table is 0x"), (index, bit)
        assert fault.endswith("as the tanh of tanh1 needs it")


@pytest.mark.parametrize(("register", "change"), [
    ("low", lambda low: low + 1), ("high", lambda high: high - 1),
    ("segment_shift", lambda shift: shift + 1), ("shift", lambda shift: shift ^ 1),
])
def test_a_changed_register_of_a_mapper_is_found(lenet, register, change):
    faults = verify_program(changed_register(lenet, 0, 0, "mapper", register, change)).faults
    assert any(f"tile 0: the mapper's {register} is " in fault for fault in faults), faults
