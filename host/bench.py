"""Where the cycles of a run went: step by step, from the counters that the machine logged."""

from dataclasses import dataclass, fields

from . import render

__all__ = ["Use", "step_uses", "total", "use_table"]


@dataclass(frozen=True)
class Use:
    """What a step took; or, as a sum, several steps or a whole run.

    Cycles of convolvers are means over those that the step uses: ``active``, ``border``, the three
    stalls and ``idle`` add up to ``cycles``. In a step without convolvers they are means over the
    DMA ports that read: ``active`` counts cycles in which samples came.

    Parameters
    ----------
    name : str
        The step's layer, or what the sum is called.
    macs : int
        Multiply-accumulates that the result needs.
    predicted : int
        Cycles that the compiler expected from commit to end.
    cycles : int
        Cycles from commit to end.
    control : int
        Cycles before the commit in which no step ran: configuration was loaded or the step
        before was closed.
    busy : float
        Multipliers that worked on the result, added up over the cycles.
    active : float
        Cycles in which outputs that are kept were accumulated.
    border : float
        Cycles of the chain at positions that give no output: rows and columns at the borders.
    stall_input, stall_weights, stall_output : float
        Cycles lost waiting for samples, for weights, and for sums or samples to leave.
    idle : float
        The other cycles: filling at the start, draining at the end, waiting for the slowest
        convolver.
    bytes_read, bytes_written : int
        Bytes of the samples that DMA ports moved, weights included.
    """

    name: str
    macs: int = 0
    predicted: int = 0
    cycles: int = 0
    control: int = 0
    busy: float = 0.0
    active: float = 0.0
    border: float = 0.0
    stall_input: float = 0.0
    stall_weights: float = 0.0
    stall_output: float = 0.0
    idle: float = 0.0
    bytes_read: int = 0
    bytes_written: int = 0

    @property
    def whole(self):
        """Cycles with those of control."""
        return self.cycles + self.control

    @property
    def error(self):
        """By how much the prediction was too high, as a share of the cycles."""
        return self.predicted / self.cycles - 1 if self.cycles else 0.0

    def share(self, target):
        """Return the share of the machine's multipliers that were busy, control included."""
        return self.busy / (len(target.convolvers) * target.macs * self.whole)

    def milliseconds(self, target):
        """Return the time at the target's clock, control included."""
        return 1e3 * self.whole / target.clock_hz

    def data(self, target):
        """Return everything as a dict."""
        return {**vars(self), "error": self.error, "utilisation": self.share(target),
                "milliseconds": self.milliseconds(target)}


def _mean(values):
    values = list(values)
    return sum(values) / len(values) if values else 0.0


def _ports(record, event):
    """Return the counts of an event at each DMA port, in the ports' order."""
    return [count for name, count in record.counters.items()
            if name.startswith("port") and name.endswith(f"_{event}")]


def _port_cycles(record):
    """Return active and stalled cycles of a step that no convolver works in."""
    def stalled(way):
        return _mean(stall for moved, stall in zip(
            _ports(record, f"{way}_active"), _ports(record, f"{way}_stall"), strict=True) if moved)

    active = _mean(filter(None, _ports(record, "read_active")))
    stall_input = stalled("read")
    # While memory keeps both ways waiting, the samples that are missing count.
    rest = max(0.0, record.cycles - active - stall_input)
    return {"active": active, "stall_input": stall_input,
            "stall_output": min(rest, stalled("write"))}


def _convolver_cycles(step, record):
    """Return the mean cycles of the convolvers that a step uses, and the MACs at work."""
    parts = step["convolvers"]

    def counted(event):
        return [record.counters[f"convolver{part['tile']}_{event}"] for part in parts]

    active = counted("active")
    return {
        "active": _mean(active),
        "border": _mean(part["chain_cycles"] - part["active_cycles"] for part in parts),
        "stall_input": _mean(counted("stall_input")),
        "stall_weights": _mean(counted("stall_weights")),
        "stall_output": _mean(counted("stall_output")),
        "busy": sum(cycles * part["active_macs"]
                    for cycles, part in zip(active, parts, strict=True))}


def step_uses(program, records):
    """Return a `Use` for each step of a run.

    Parameters
    ----------
    program : compiler.program.Program
        The program that ran.
    records : list of host.steps.StepRecord
        What `Device.steps` says about the run.
    """
    uses, before = [], 0
    for step, record in zip(program.manifest["steps"], records, strict=True):
        found = _convolver_cycles(step, record) if step["convolvers"] else _port_cycles(record)
        spent = sum(found.get(name, 0) for name in (
            "active", "border", "stall_input", "stall_weights", "stall_output"))
        weights = sum(part["weights"] for part in step["convolvers"])
        uses.append(Use(
            step["layer"], step["macs"], step["predicted_cycles"], record.cycles,
            (record.commit - before) & 0xFFFFFFFF, **found,
            idle=record.cycles - spent,
            bytes_read=2 * (sum(_ports(record, "read_active")) + weights),
            bytes_written=2 * sum(_ports(record, "write_active"))))
        before = record.end
    return uses


def total(name, uses):
    """Return the sum of several `Use` under one name."""
    return Use(name, **{field.name: sum(getattr(use, field.name) for use in uses)
                        for field in fields(Use) if field.name != "name"})


_HEADERS = ("step", "layer", "cycles", "predicted", "error", "busy", "active", "border",
            "input", "weights", "output", "idle", "control", "kB read", "kB written")


def _row(number, use, target):
    first, *others = use.name.split("+")
    return (number, first + " +" * bool(others), f"{use.cycles:,}", f"{use.predicted:,}",
            f"{use.error:+.1%}", f"{use.share(target):.1%}",
            *(f"{value:,.0f}" for value in (
                use.active, use.border, use.stall_input, use.stall_weights, use.stall_output,
                use.idle, use.control, use.bytes_read / 1e3, use.bytes_written / 1e3)))


def use_table(uses, target):
    """Return a table with a row a step.

    Parameters
    ----------
    uses : list of Use
        One for each step.
    target : Target
        The machine.
    """
    return render.table(_HEADERS, [_row(number, use, target) for number, use in enumerate(uses)],
                        numbers=(_HEADERS[0], *_HEADERS[2:]))
