"""How busy the multipliers were: layer by layer, from the counters that a run logged."""

from dataclasses import dataclass

from hdl.target import get_target

from . import render

__all__ = ["LayerUse", "layer_use", "total_use", "use_table"]


@dataclass(frozen=True)
class LayerUse:
    """What one layer, or a whole run, took.

    Parameters
    ----------
    layer : str
        The user's layer.
    macs : int
        Multiply-accumulates that its result needs.
    predicted, cycles : int
        Cycles that the compiler expected, and cycles from commit to end of its steps.
    utilisation : float
        Share of the machine's MACs that worked on the result, over its cycles: each convolver's
        counted active cycles times the MACs that work in one, over all MACs times the cycles.
    """

    layer: str
    macs: int
    predicted: int
    cycles: int
    utilisation: float

    @property
    def data(self):
        """The same as a dict."""
        return dict(vars(self))


def _busy(step, record):
    return sum(record.counters[f"convolver{part['tile']}_active"] * part["active_macs"]
               for part in step["convolvers"])


def _use(name, pairs, cycles, target):
    macs = len(target.convolvers) * target.macs
    busy = sum(_busy(step, record) for step, record in pairs)
    return LayerUse(
        name, sum(step["macs"] for step, _ in pairs),
        sum(step["predicted_cycles"] for step, _ in pairs), cycles, busy / (macs * cycles))


def layer_use(program, records):
    """Return the `LayerUse` of each layer of a run, in order.

    Parameters
    ----------
    program : compiler.program.Program
        The program that ran.
    records : list of host.steps.StepRecord
        What `Device.steps` says about the run.
    """
    layers = {}
    for step, record in zip(program.manifest["steps"], records, strict=True):
        layers.setdefault(step["layer"], []).append((step, record))
    target = get_target(program.target)
    return [_use(layer, pairs, sum(record.cycles for _, record in pairs), target)
            for layer, pairs in layers.items()]


def total_use(program, records, cycles):
    """Return the `LayerUse` of a whole run that took `cycles`, control between steps included."""
    pairs = list(zip(program.manifest["steps"], records, strict=True))
    return _use("whole run", pairs, cycles, get_target(program.target))


def use_table(layers, total):
    """Return a table of layers and of the whole run."""
    rows = [(use.layer, f"{use.macs:,}", f"{use.predicted:,}", f"{use.cycles:,}",
             f"{use.utilisation:.1%}") for use in (*layers, total)]
    headers = ("layer", "MACs", "predicted cycles", "cycles", "utilisation")
    return render.table(headers, rows, numbers=headers[1:])
