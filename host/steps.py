"""What a device tells about the steps of a run."""

from dataclasses import dataclass, field

__all__ = ["PredictedStep", "ProgramStep", "StepRecord"]


@dataclass(frozen=True)
class ProgramStep:
    """One step of a program.

    Parameters
    ----------
    number : int
        Step.
    name, layer : str
        The node and the user's layer it works on.
    predicted_cycles : int
        What the compiler expects from commit to end.
    """

    number: int
    name: str
    layer: str
    predicted_cycles: int


@dataclass(frozen=True)
class PredictedStep(ProgramStep):
    """One step of a run that kept no time.

    Parameters
    ----------
    cycles : None
        Nothing was measured.
    counters : dict
        Empty: nothing was counted.
    """

    cycles: None = None
    counters: dict = field(default_factory=dict)


@dataclass(frozen=True)
class StepRecord(ProgramStep):
    """One step of a run, from the program's log.

    Parameters
    ----------
    commit, end : int
        Cycle in which the step's configuration became active, and in which it had ended.
    counters : dict of str to int
        What each counter counted from the end of the step before to the end of this one.
    """

    commit: int
    end: int
    counters: dict[str, int]

    @property
    def cycles(self):
        """Cycles from commit to end."""
        return (self.end - self.commit) & 0xFFFFFFFF
