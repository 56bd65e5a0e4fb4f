"""The demonstration: digits in, answers from the simulated hardware, every bit compared."""

import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console

from . import files, render
from .compare import first_difference
from .device import open_device
from .outcome import UsageError, named_target
from .utilisation import layer_use, total_use, use_table

__all__ = ["Demo", "DemoResult", "Digit"]

#: The machine whose simulation is built and runs in a minute, with waves too, and their file.
SMALL, WAVES = "tiny", Path("build/demo/lenet5.fst")


@dataclass(frozen=True)
class Digit:
    """A digit that the RTL classified.

    Parameters
    ----------
    index, label, answer : int
        Place in the test split, what it is, what the RTL says.
    cycles : int
        Cycles of the run.
    difference : str or None
        Where the RTL's output differs from the reference's.
    """

    index: int
    label: int
    answer: int
    cycles: int
    difference: str | None

    @property
    def caption(self):
        """A line for below its picture."""
        mark = " *" if self.difference else " !" if self.answer != self.label else ""
        return f"label {self.label}, got {self.answer}{mark}"


@dataclass(frozen=True)
class DemoResult:
    """What the demonstration found: `data` for programs, and whether all bits agree."""

    data: dict
    agrees: bool


class Demo:
    """Runs the demonstration and prints it as it goes.

    Parameters
    ----------
    digits : int
        Test digits to classify on the RTL.
    trace : path-like or None
        Wave file to write of the first digit; without one `WAVES` for `SMALL`, none for others.
    progress : host.console.ProgressDisplay
        Shows long work.
    target : str
        Name of the machine.
    quiet : bool
        Print nothing.

    Raises
    ------
    UsageError
        If there is no such target, or there are not so many test digits.
    FileError
        If the wave file cannot be written.
    """

    def __init__(self, digits, trace, progress, target=SMALL, quiet=False):
        from examples.lenet5 import data, evaluate

        self.model, self.evaluate = evaluate.MODEL, evaluate.classify
        self.calibration, self.input = data.calibration, data.INPUT_NAME
        self.images, self.labels = data.load_test()
        if not 1 <= digits <= len(self.labels):
            raise UsageError(f"--digits must be 1 to {len(self.labels)}, the digits of the test "
                             f"split, not {digits}")
        self.target = named_target(target)
        if trace is None and target == SMALL:
            trace = WAVES
        self.trace = trace and Path(trace)
        if self.trace:
            files.check_output(self.trace, files.TRACE_SUFFIXES, make_folder=True)
        self.count, self.progress, self.quiet = digits, progress, quiet
        self.done = 0

    def run(self):
        """Run it.

        Returns
        -------
        DemoResult
            Everything measured.

        Raises
        ------
        Exception
            One of `host.outcome.user_errors`.
        """
        started = time.monotonic()
        program = self._compile()
        expected, accuracy = self._measure_accuracy(program)
        digits, layers, total = self._classify(program, expected)
        traced = self._write_trace(program) if self.trace else None
        agrees = self._say_agreement(digits, traced, expected)
        self._say(f"\nAccuracy on all {len(self.labels)} test digits: "
                  f"float {accuracy['float']:.2%}, 16 bits {accuracy['fixed']:.2%}")
        self._say_speed(digits, layers, total)
        if self.trace:
            self._say(f"Waves of the first digit: {self.trace}")
        return DemoResult({
            "target": self.target.name, "agrees": agrees, "accuracy": accuracy,
            "digits": [vars(digit) for digit in digits],
            "layers": [use.data for use in layers], "total": total.data,
            "milliseconds": 1e3 * total.cycles / self.target.clock_hz,
            "trace_file": self.trace and str(self.trace), "seconds": time.monotonic() - started,
        }, agrees)

    def _say(self, *parts):
        if not self.quiet:
            self.progress.pause()
            render.show(*parts)
            sys.stdout.flush()

    def _compile(self):
        from compiler.compile import compile_model

        target = self.target
        program = compile_model(self.model, target, self.calibration(), self.progress)
        some = len(target.convolvers)
        self._say(f"LeNet-5 on {target.name}: {target.rows}x{target.columns} tiles, "
                  f"{some * target.macs} MACs in {some} convolver{'s' * (some > 1)}, "
                  f"{render.units(target.clock_hz, 'Hz')}",
                  f"Program: {len(program.manifest['steps'])} steps, {len(program.image):,} bytes, "
                  f"{program.predicted_cycles:,} cycles predicted\n")
        return program

    def _measure_accuracy(self, program):
        """Return the reference's raw outputs for all test digits, and both accuracies."""
        self.progress("Classifying all test digits in floating point")
        answers = self.evaluate(self.model, self.images).argmax(axis=1)
        with open_device(program, "reference", progress=self.progress) as device:
            expected = device.run({self.input: self.images}, raw=True)
        total = len(self.labels)
        correct = {"float": int(np.sum(answers == self.labels)),
                   "fixed": int(np.sum(self._answers(expected) == self.labels))}
        return expected, {"digits": total, "float": correct["float"] / total,
                          "fixed": correct["fixed"] / total}

    @staticmethod
    def _answers(outputs):
        (logits,) = outputs.values()
        return logits.reshape(len(logits), -1).argmax(axis=1)

    def _run_progress(self, what, done=None, total=None):
        """Pass on progress; cycles of one run become cycles of all."""
        if total is None:
            self.progress(what, done)
        else:
            self.progress(f"Classifying on the RTL: digit {self.done + 1} of {self.count}",
                          self.done * total + done, self.count * total, "cycles")

    def _run_one(self, device, index, expected):
        raw = device.run({self.input: self.images[index:index + 1]}, raw=True)
        wanted = {name: array[index][None] for name, array in expected.items()}
        difference = first_difference(wanted, raw)
        return Digit(index, int(self.labels[index]), int(self._answers(raw)[0]),
                     device.counters()["cycles"], difference and str(difference))

    def _classify(self, program, expected):
        """Run the digits on the RTL, printing a row of pictures whenever one is full."""
        digits, waiting, width = [], [], Console().width
        row = render.cards_in_a_row(width)
        with open_device(program, "rtl", progress=self._run_progress) as device:
            for index in range(self.count):
                self.done = index
                digits.append(self._run_one(device, index, expected))
                waiting.append(digits[-1])
                if len(waiting) == row or index == self.count - 1:
                    self._say(*render.cards(
                        [render.picture(self.images[digit.index, 0]) for digit in waiting],
                        [digit.caption for digit in waiting], width), "")
                    waiting = []
            records = device.steps()
        return digits, layer_use(program, records), total_use(program, records, digits[-1].cycles)

    def _write_trace(self, program):
        """Run the first digit again, on a simulation that writes waves."""
        self.done, self.count = 0, 1
        with files.replacing(self.trace) as waves:
            with open_device(program, "rtl", progress=self._run_progress, trace=waves) as device:
                return device.run({self.input: self.images[:1]}, raw=True)

    def _say_agreement(self, digits, traced, expected):
        """Say whether all bits agree; return it."""
        different = [digit for digit in digits if digit.difference]
        again = traced and first_difference(
            {name: array[:1] for name, array in expected.items()}, traced)
        for digit in different:
            self._say(f"Digit {digit.index}: {digit.difference}")
        if again:
            self._say(f"Digit 0, run with waves: {again}")
        named = sum(digit.answer == digit.label for digit in digits)
        self._say(f"{named} of {len(digits)} digits named correctly.")
        if different or again:
            self._say("RTL and reference DIFFER.")
        else:
            values = len(digits) * sum(array[0].size for array in expected.values())
            self._say(f"RTL and reference agree on every bit of every output: {len(digits)} runs, "
                      f"{values} values of 16 bits.")
        return not (different or again)

    def _say_speed(self, digits, layers, total):
        cycles = [digit.cycles for digit in digits]
        spread = f"{min(cycles):,}" if min(cycles) == max(cycles) else \
            f"{min(cycles):,} to {max(cycles):,}"
        self._say(f"{spread} cycles a digit: {1e3 * max(cycles) / self.target.clock_hz:.3f} ms at "
                  f"{render.units(self.target.clock_hz, 'Hz')}",
                  use_table(layers, total))
