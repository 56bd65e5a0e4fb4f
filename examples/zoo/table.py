"""Compile the zoo for the Virtex-6 and write docs/zoo.md.

::

    python -m examples.zoo.table [--names lenet5 vgg16 ...]

With names, only these networks are measured anew, and the page's other rows stay as they are.
"""

import argparse
import re
import sys
from pathlib import Path

from examples.zoo import light
from examples.zoo.measure import measure, measure_file
from examples.zoo.registry import NETWORKS
from hdl.target import get_target
from host.console import ProgressDisplay

__all__ = ["PAGE", "TARGET", "main", "page"]

PAGE = Path("docs/zoo.md")
TARGET = "virtex6-lx240t"

_HEAD = """# The zoo

The networks that ConvNets are known for, each made as ONNX by a module of `examples/zoo/` with the
layers' shapes of the slides or the cited paper, and compiled at full size for `{target}`.
Measured by `python -m examples.zoo.table`, which writes this page (`--names NAME ...` measures only
some anew); `python -m examples.zoo.export NAME FILE.onnx --data DATA.npz` writes a network and
inputs for it.

| network | source | what it asks for | left to the host |
| --- | --- | --- | --- |
{about}

What is left to the host is written for two of them, `characters.read` and `faces.find`.
Every network also has a reduced size, with all its kinds of layers, on which functional machine and
reference (`tests/examples/test_zoo.py`) and the RTL (there, in `make test-all`) agree on every bit.

## Cycles and accuracy

Weights are random but for those called trained, scaled so that a signal keeps its size. Cycles are
those predicted for one input, at {megahertz:g} MHz. Busy: share of the {multipliers} MACs that work
on the result. SNR: the worst output in 16 bits (reference) against float (onnxruntime), for an
input other than the {calibration} that chose the binary points.

| network | operators | weights, M | GMAC | cycles | ms | busy | SNR, dB |
| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |
{measured}

## Models of the onnx package

Classifiers of full size that the package `onnx` carries for its own tests (`light_*.onnx`), with
constants for weights: what the machine would take for their shapes. The same command measures them.

| network | GMAC | cycles | ms | busy |
| --- | ---: | ---: | ---: | ---: |
{light}
"""


def _link(name, entry):
    module = sys.modules[entry.build.__module__].__name__.rpartition(".")[2]
    return f"[{entry.title}](../examples/zoo/{module}.py) `{name}`"


def _figures(found):
    return (f"{found.macs / 1e9:.3g}", f"{found.cycles:,}", f"{found.milliseconds:.3g}",
            f"{found.utilisation:.1%}")


def _zoo_row(name, target):
    found = measure(NETWORKS[name], target)
    return (f"`{name}`", ", ".join(found.operators), f"{found.weights / 1e6:.3g}",
            *_figures(found), f"{found.snr:.1f}"), found.seconds


def _light_row(name, target):
    found = measure_file(light.path(name), target)
    return (f"{light.LIGHT[name]} `{name}`", *_figures(found)), found.seconds


def _line(cells):
    return f"| {' | '.join(cells)} |"


def rows_of(text):
    """Return the measured rows of a page by (whether of the onnx package, name)."""
    head, _, tail = text.partition("## Models of the onnx package")
    found = {}
    for of_onnx, part in ((False, head.partition("## Cycles")[2]), (True, tail)):
        for line in re.findall(r"^\| .*\d.* \|$", part, re.M):
            name = re.search(r"`(\w+)`", line)
            if name:
                found[of_onnx, name[1]] = line
    return found


def page(rows):
    """Return the page.

    Parameters
    ----------
    rows : dict
        Lines of the tables by (whether of the onnx package, name), as `rows_of` returns them.
    """
    from examples.zoo.measure import CALIBRATION

    target = get_target(TARGET)
    about = [_line((_link(name, entry), entry.source, entry.shows, entry.host or "nothing"))
             for name, entry in NETWORKS.items()]
    return _HEAD.format(
        target=TARGET, about="\n".join(about), megahertz=target.clock_hz / 1e6,
        multipliers=len(target.convolvers) * target.macs, calibration=CALIBRATION,
        measured="\n".join(rows[False, name] for name in NETWORKS if (False, name) in rows),
        light="\n".join(rows[True, name] for name in light.LIGHT if (True, name) in rows))


def main(arguments=None):
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--names", nargs="+", metavar="NAME",
                        choices=[*NETWORKS, *(f"light_{name}" for name in light.LIGHT)],
                        help="measure only these; others keep their rows")
    chosen = parser.parse_args(arguments).names
    wanted = [(False, name) for name in NETWORKS if chosen is None or name in chosen]
    wanted += [(True, name) for name in light.LIGHT if chosen is None or f"light_{name}" in chosen]
    rows = rows_of(PAGE.read_text()) if chosen and PAGE.exists() else {}
    target = get_target(TARGET)
    with ProgressDisplay() as told:
        for done, key in enumerate(wanted):
            told(f"Measuring {key[1]}", done, len(wanted), "networks")
            cells, seconds = (_light_row if key[0] else _zoo_row)(key[1], target)
            rows[key] = _line(cells)
            print(f"{rows[key]} compiled in {seconds:.0f} s", file=sys.stderr)
            PAGE.write_text(page(rows))


if __name__ == "__main__":
    main()
