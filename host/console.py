"""Progress of long work, on stderr: a live bar on a terminal, a line now and then in a log."""

import sys
import time

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

__all__ = ["ProgressDisplay"]

#: Seconds between two lines about the same work in a log.
_LOG_INTERVAL = 10


def _seconds(value):
    minutes, seconds = divmod(round(value), 60)
    return f"{minutes} min {seconds:02} s" if minutes else f"{seconds} s"


class ProgressDisplay:
    """Shows what is going on and how long it will take; called as a function by long work.

    Use it as a context manager; leaving it clears the bar. Call `pause` before printing to stdout,
    which may be the same terminal; the next call shows the bar again.

    Parameters
    ----------
    file : file or None
        Where to write (default: stderr).
    """

    def __init__(self, file=None):
        self.console = Console(file=file or sys.stderr, highlight=False, soft_wrap=True)
        self._bar = None
        self._work = None
        self._started = self._last_line = 0.0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.pause()
        self._work = None

    def __call__(self, text, done=None, total=None, unit=None):
        """Say what is going on.

        Parameters
        ----------
        text : str
            The work; another text before the first colon starts another piece of it.
        done, total : float or None
            How much of it is done and how much there is, if known; without `total`, the share
            that is done, 0 to 1.
        unit : str or None
            What `done` and `total` count.
        """
        now = time.monotonic()
        if text.partition(":")[0] != self._work:
            self._work, self._started, self._last_line = text.partition(":")[0], now, 0.0
            if self._bar is not None:
                self.pause()
        detail = self._detail(done, total, unit, now - self._started)
        if self.console.is_terminal:
            self._draw(text, done, total, detail)
        elif not self._last_line or now - self._last_line >= _LOG_INTERVAL:
            self._last_line = now
            self.console.print(f"{text}, {detail}" if detail else f"{text} ...", markup=False)

    @staticmethod
    def _detail(done, total, unit, elapsed):
        if done is None or total == 0:
            return ""
        if total is None:
            detail, total = f"{done:.0%}", 1
        else:
            detail = f"{done:,} of {total:,}" + (f" {unit}" if unit else "")
        if 0 < done < total and elapsed >= 1:
            detail += f", {_seconds(elapsed * (total - done) / done)} left"
        return detail

    def _draw(self, text, done, total, detail):
        if self._bar is None:
            # Redirecting stdout would send the command's results to stderr.
            self._bar = Progress(
                SpinnerColumn(), TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=24), TextColumn("{task.fields[detail]}", markup=False),
                TimeElapsedColumn(), console=self.console, transient=True,
                redirect_stdout=False, redirect_stderr=False)
            self._bar.add_task(text, total=None, detail="")
            self._bar.start()
        if done is not None and total is None:
            total = 1
        self._bar.update(self._bar.task_ids[0], description=text, completed=done or 0,
                         total=total, detail=detail)

    def pause(self):
        """Clear the bar, so that something else can be printed."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
