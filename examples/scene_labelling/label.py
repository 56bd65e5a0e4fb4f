"""Label a photograph with the simulated machine, and draw what it sees.

::

    python -m examples.scene_labelling.label china labels.png
    python -m examples.scene_labelling.label china labels.png --backend rtl

The first argument is a picture file, or ``china`` or ``flower`` for scikit-learn's photographs.
"""

import argparse
import functools
import sys

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from examples.scene_labelling import chip, data, evaluate, scenes
from host import files
from host.console import ProgressDisplay
from host.outcome import describe, user_errors

COLOURS = np.array([(135, 190, 235), (30, 110, 45), (125, 125, 130), (150, 205, 85), (40, 80, 180),
                    (205, 145, 90), (140, 105, 135), (220, 45, 60)], np.uint8)
_OVERLAY = 0.65
_GAP = 6
_LEGEND_ROW = 16
_LEGEND_COLUMN = 150

#: What labels a frame: the functional machine, the simulated hardware, or floating point.
BACKENDS = ("functional", "rtl", "onnx")


def label_picture(labels, rgb):
    """Draw a frame beside its labels, with a legend of their colours.

    Parameters
    ----------
    labels : numpy.ndarray
        Integers, 0 to 7, rows x columns; any whole fraction of the frame's size.
    rgb : numpy.ndarray
        uint8, rows x columns x 3: the frame.

    Returns
    -------
    PIL.Image.Image
        The frame on the left, the same under the labels' colours on the right, and below the name
        of every class with the share of the frame it takes.

    Raises
    ------
    ValueError
        If the labels are no classes, or do not divide the frame evenly.
    """
    labels = np.asarray(labels)
    height, width = rgb.shape[:2]
    stride = height // max(labels.shape[0], 1)
    if (labels.shape[0] * stride, labels.shape[1] * stride) != (height, width):
        raise ValueError(f"Labels of {labels.shape[0]}x{labels.shape[1]} do not divide a frame of "
                         f"{height}x{width} evenly")
    if labels.min() < 0 or labels.max() >= len(scenes.CLASSES):
        raise ValueError(f"Labels must be 0..{len(scenes.CLASSES) - 1}, not "
                         f"{labels.min()}..{labels.max()}")
    colours = COLOURS[evaluate.enlarge(labels, stride)]
    mixed = np.round(_OVERLAY * colours + (1 - _OVERLAY) * rgb).astype(np.uint8)

    legend_columns = max(1, min(4, 2 * width // _LEGEND_COLUMN))
    legend_rows = -(-len(scenes.CLASSES) // legend_columns)
    picture = Image.new("RGB", (2 * width + 3 * _GAP,
                                height + 3 * _GAP + legend_rows * _LEGEND_ROW), "white")
    picture.paste(Image.fromarray(rgb), (_GAP, _GAP))
    picture.paste(Image.fromarray(mixed), (width + 2 * _GAP, _GAP))
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default()
    counts = np.bincount(labels.ravel().astype(np.int64), minlength=len(scenes.CLASSES))
    for index, name in enumerate(scenes.CLASSES):
        row, column = divmod(index, legend_columns)
        left = _GAP + column * (2 * width + _GAP) // legend_columns
        top = height + 2 * _GAP + row * _LEGEND_ROW
        draw.rectangle((left, top, left + 12, top + 11), tuple(COLOURS[index].tolist()), "black")
        draw.text((left + 18, top), f"{name} {100 * counts[index] / labels.size:.0f} %",
                  fill="black", font=font)
    return picture


def _label_in_float(model, rgb):
    session = evaluate.open_model(model)
    height, width = session.get_inputs()[0].shape[-2:]
    rgb = data.crop(rgb, height, width)
    return evaluate.label(session, rgb), rgb, "onnxruntime, in floating point"


def _label_on_chip(arguments, rgb, progress):
    program = chip.compile_scene(arguments.target, arguments.model, progress)
    if arguments.backend == "rtl":
        progress = functools.partial(progress, unit="cycles")
    found = chip.label(program, rgb, arguments.backend, progress)
    if found.difference:
        raise chip.DifferenceError(f"{arguments.backend} and reference differ: {found.difference}")
    told = "counted" if found.measured else "predicted"
    return found.labels, found.rgb, (
        f"{arguments.target}: {found.milliseconds:.1f} ms ({found.cycles:,} cycles {told}); "
        f"{arguments.backend} and reference agree on every bit of {found.values:,} values")


def main():
    """Label a photograph and write the picture."""
    parser = argparse.ArgumentParser(description="Label a photograph with the trained network.")
    parser.add_argument("photograph", help="picture file, or: " + ", ".join(data.PHOTOGRAPHS))
    parser.add_argument("output", help="picture to write (.png)")
    parser.add_argument("--model", help="ONNX file (default: the trained network)")
    parser.add_argument("--backend", choices=BACKENDS, default=BACKENDS[0],
                        help="the compiled program executed on arrays, the hardware's Verilog "
                        "simulated (minutes), or floating point with onnxruntime "
                        "(default: functional)")
    parser.add_argument("--target", default="virtex6-lx240t",
                        help="machine to compile for (default: virtex6-lx240t)")
    arguments = parser.parse_args()
    try:
        files.check_output(arguments.output, (".png",))
        if arguments.photograph in data.PHOTOGRAPHS:
            rgb = data.photograph(arguments.photograph)
        else:
            rgb = data.read_picture(arguments.photograph)
        with ProgressDisplay() as progress:
            labels, rgb, told = (
                _label_in_float(arguments.model, rgb) if arguments.backend == "onnx" else
                _label_on_chip(arguments, rgb, progress))
        with files.replacing(arguments.output) as path:
            label_picture(labels, rgb).save(path)
    except chip.DifferenceError as error:
        sys.exit(str(error))
    except user_errors() as error:
        parser.error(describe(error))
    print(f"{arguments.output}: {told}")


if __name__ == "__main__":
    main()
