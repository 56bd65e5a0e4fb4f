"""The page: tables and pictures put into the template."""

from pathlib import Path

import jinja2
import numpy as np

from compiler.lower.timing.runs import step_starts
from hdl.target import get_target
from sim.functional import prepare

from .. import files, render
from ..estimate import estimate_program
from . import machine
from .network import network_picture

__all__ = ["report_page", "write_report"]


def report_page(program, title):
    """Return the report of a program as one HTML page without links to anything.

    Parameters
    ----------
    program : compiler.program.Program
        The program, with the compiler's certificates.
    title : str
        What the page is called.
    """
    target, manifest = get_target(program.target), program.manifest
    prepared = prepare(np.frombuffer(program.image, np.uint8), manifest["program_address"], target)
    steps, estimate = manifest["steps"], estimate_program(program, target)
    starts = step_starts(steps)
    snr = _format_snr(manifest["quantisation"]["tensors"])
    circuits = {}
    for index, (step, active) in enumerate(prepared.steps):
        picture = machine.circuit_picture(target, active, step.commit)
        circuits.setdefault(picture, []).append(index)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True,
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.get_template("page.html.j2").render(
        title=title, program=program, target=target, estimate=estimate, data=estimate.data,
        clock=render.units(target.clock_hz, "Hz"), steps=steps, manifest=manifest,
        layers=[(layer, _least(layer.layer, snr)) for layer in estimate.layers],
        quantisation=manifest["quantisation"], network=network_picture(program),
        timeline=machine.timeline_picture(target, prepared, steps, starts),
        memory=machine.memory_picture(program, starts),
        circuits=[(numbers, list(dict.fromkeys(steps[number]["layer"] for number in numbers)),
                   picture) for picture, numbers in circuits.items()])


def _format_snr(tensors):
    """Return the least SNR of the formats of each layer's tensors; None is exact."""
    found = {}
    for entry in tensors:
        known = found.setdefault(entry["layer"], [])
        if entry["snr_db"] is not None:
            known.append(entry["snr_db"])
    return {layer: min(values, default=None) for layer, values in found.items()}


def _least(layers, snr):
    """Return the least SNR of layers that run as one, their names joined by ``+``."""
    known = [snr[name] for name in (layers, *layers.split("+"))
             if snr.get(name) is not None]
    return min(known, default=None)


def write_report(program, folder, name):
    """Write the report of a program, in full or not at all.

    Parameters
    ----------
    program : compiler.program.Program
        The program.
    folder : path-like
        Where the page goes; made when missing.
    name : str
        Name of the page, without ``.html``.

    Returns
    -------
    pathlib.Path
        The page.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    path = Path(folder) / f"{name}.html"
    page = report_page(program, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.replacing(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return path
