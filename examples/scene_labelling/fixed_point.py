"""Measure what 16-bit samples cost: the quantised network against the float one.

::

    python -m examples.scene_labelling.fixed_point

Quantises as the compiler does, then labels scikit-learn's photographs and synthetic test scenes
with the NumPy reference, to which the machine's every bit is equal, and with onnxruntime.
"""

import argparse
import time

import numpy as np

from compiler.frontend.onnx_import import import_onnx
from compiler.pipeline import simplify
from compiler.quantise import quantise
from examples.scene_labelling import data, evaluate, export
from examples.scene_labelling import network as scene
from host import samples
from sim import reference


def compare(session, graph, yuv):
    """Compare the fixed-point network with the float one on a frame.

    Parameters
    ----------
    session : onnxruntime.InferenceSession
        The float network, from :func:`examples.scene_labelling.evaluate.open_model`.
    graph : compiler.fixed.FixedGraph
        The fixed-point network.
    yuv : numpy.ndarray
        A frame, 3 x rows x columns.

    Returns
    -------
    snr : float
        Signal to noise of the features, in dB.
    agreement : float
        Share of the labels that are the same.
    """
    names = [export.LABELS_NAME, export.FEATURES_NAME]
    labels, features = session.run(names, {export.INPUT_NAME: np.asarray(yuv, np.float32)[None]})
    runs, _ = samples.split_inputs(graph, yuv[None])
    tensors = reference.run(graph, runs[0])
    found = samples.join_outputs(graph, [tensors], False, False)
    noise = features - found[export.FEATURES_NAME].astype(np.float64)
    with np.errstate(divide="ignore"):
        snr = 10 * np.log10(np.sum(features.astype(np.float64) ** 2) / np.sum(noise**2))
    return float(snr), float(np.mean(labels == found[export.LABELS_NAME]))


def main():
    """Print the signal to noise ratio and the agreement for some frames."""
    parser = argparse.ArgumentParser(description="Compare 16-bit with float scene labelling.")
    parser.add_argument("model", nargs="?", help="ONNX file (default: the trained network)")
    parser.add_argument("--calibration", type=int, default=8, metavar="COUNT",
                        help="frames to calibrate with (default: 8)")
    parser.add_argument("--scenes", type=int, default=4, metavar="COUNT",
                        help="synthetic scenes to label, beside the photographs (default: 4)")
    arguments = parser.parse_args()
    session = evaluate.open_model(arguments.model)
    model = arguments.model or export.to_onnx(scene.load())
    calibration = data.calibration(arguments.calibration)
    start = time.monotonic()
    graph, summary = quantise(simplify(import_onnx(model)), calibration)
    print(f"quantised in {time.monotonic() - start:.1f} s")
    for note in (*summary.notes, *summary.warnings):
        print(f"note: {note}")
    frames = {name: data.photograph(name) for name in data.PHOTOGRAPHS}
    rgb, _ = data.load_test(arguments.scenes)
    frames.update({f"scene {number}": frame for number, frame in enumerate(rgb)})
    for name, frame in frames.items():
        snr, agreement = compare(session, graph, data.to_yuv(frame))
        print(f"{name:10} features {snr:5.1f} dB, labels {agreement:8.2%} alike")


if __name__ == "__main__":
    main()
