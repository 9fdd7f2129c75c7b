"""From a trained float network to an int8 .tflite, and a look at what quantisation cost."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from framekeep_ground.output import write_bytes
from torch import nn

from framekeep_models.data_crops import U8
from framekeep_models.evaluate_metrics import Floats
from framekeep_models.export_torch import export


def save_int8(net: nn.Sequential, calibration: U8, path: Path, labels: Sequence[str]) -> None:
    """Adds the softmax, folds batch norm, quantises. The input takes pixel - 128, at 1/255 and zero point
    -128."""
    net.eval()
    export(nn.Sequential(*net, nn.Softmax(1)).eval(), calibration, path, labels=labels)


def save_grid(net: nn.Sequential, calibration: U8, path: Path, labels: Sequence[str]) -> None:
    """The logits as they are: the model image's score table makes probabilities of them."""
    export(net.eval(), calibration, path, labels=labels)


def int8_scores(path: Path, images: U8) -> Floats:
    """LiteRT's score 0..255 of the last class for every picture of the right size: a second opinion."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    plain_kernels = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES  # XNNPACK rounds otherwise
    net = Interpreter(str(path), num_threads=1, experimental_op_resolver_type=plain_kernels)
    net.allocate_tensors()
    inp, out = net.get_input_details()[0]["index"], net.get_output_details()[0]["index"]
    found = np.empty(len(images))
    for k, image in enumerate(images):
        net.set_tensor(inp, (image[None].astype(np.int16) - 128).astype(np.int8))
        net.invoke()
        found[k] = float(net.get_tensor(out)[0, -1]) + 128
    return found


def with_threshold(model: Path, classes: int, threshold: float) -> None:
    """Writes the threshold (0..255, of the last class) into the .tflite, and the image beside it.

    Of two classes the other has the rest of the score.
    """
    from framekeep_models.compile import compile_model
    from framekeep_models.tflite_writer import with_thresholds

    wanted = threshold / 255
    thresholds = (1 - wanted, wanted) if classes == 2 else (wanted,)
    write_bytes(model, with_thresholds(model.read_bytes(), thresholds))
    write_bytes(model.with_suffix(".fkm"), compile_model(model).image)
