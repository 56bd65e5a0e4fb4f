"""Cycles of a whole run: its steps, and what control needs before, between and behind them."""

from hdl.control.counters import counter_names

from ..predict import STEP_GAP

__all__ = ["run_cycles", "step_starts"]

#: Cycles from a program's start until its first packets are asked for and after they have come;
#: from the end of its last step to its own, for each word of a log record, and for each node that
#: is set to rest.
PROGRAM_START, PROGRAM_END, LOG_WORD, NODE = 377, 213, 10, 1


def step_starts(steps):
    """Return the cycle of each step's commit, and of that which could follow the last one.

    Parameters
    ----------
    steps : list of dict
        ``predicted_cycles``, ``load_cycles`` and ``control_cycles`` of each step.

    Returns
    -------
    list of int
        From the program's start.
    """
    starts = [PROGRAM_START + steps[0]["load_cycles"]]
    for step in steps:
        starts.append(starts[-1] + max(step["predicted_cycles"] + STEP_GAP,
                                       step["control_cycles"]))
    return starts


def run_cycles(steps, target, log_words=None):
    """Return the cycles of a whole run, from its start until the host sees its end.

    The processor's instructions are in its cache: the first run after reset takes some hundred
    cycles more.

    Parameters
    ----------
    steps : list of dict
        See `step_starts`.
    target : Target
        The machine.
    log_words : int, optional
        Words of a log record, 0 for no log.
    """
    if log_words is None:
        log_words = 3 + len(counter_names(target))
    return step_starts(steps)[-1] + PROGRAM_END + LOG_WORD * log_words + NODE * target.nodes
