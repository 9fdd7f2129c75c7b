"""Starts a student from the weights of a public int8 chain, such as MLPerf Tiny's vww_96_int8 (Apache-2.0).

The integers are turned back into floats, channels that never change are removed with their constants folded
into the next bias (they are half of vww_96_int8's work), and batch norm is put back as the identity, so that
the network can be trained further and exported like any other.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from framekeep_models.data import DataError
from framekeep_models.data_crops import U8
from framekeep_models.tflite_model import Operator, load
from framekeep_models.torch_graph import SameConv2d
from framekeep_models.train_loop import to_input

Array = npt.NDArray[Any]
FLAT = 1e-6  # a channel whose activation varies less than this over all pictures is a constant


def start_from(path: Path, widths: tuple[int, ...], images: U8) -> nn.Sequential:
    """A network of these widths that begins as the model in `path`, ready to be trained on."""
    lean = without_constants(chain_from_tflite(path), images)
    return with_batch_norm(resized(lean, widths), images)


def backbone(path: Path, stride: int, images: U8) -> list[nn.Module]:
    """The layers of a trained chain up to those with one cell per `stride` pixels, batch norm put back."""
    layers: list[nn.Module] = []
    reached = 1
    whole = chain_from_tflite(path)
    ends = next(k for k, layer in enumerate(whole) if isinstance(layer, nn.AvgPool2d))
    for layer in with_batch_norm(whole[:ends], images):
        if isinstance(layer, SameConv2d):
            reached *= layer.stride[0]
            if reached > stride:
                break
        layers.append(layer)
    return layers


def chain_from_tflite(path: Path) -> nn.Sequential:
    """The convolutions, pooling and classifier of an int8 chain as a float nn.Sequential with biases, no
    batch norm."""
    model = load(path)

    def real(index: int) -> Array:
        tensor = model.tensors[index]
        if tensor.data is None:
            raise DataError(f"{path}: tensor {index} is no constant; only plain chains can be a start")
        scale = tensor.scale.astype(np.float64)
        if scale.size > 1:
            shape = [1] * tensor.data.ndim
            shape[tensor.axis] = scale.size
            scale = scale.reshape(shape)
        return np.asarray(tensor.data * scale, np.float32)

    layers: list[nn.Module] = []
    for node in model.operators:
        if node.name in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            layers += convolution(node, real(node.inputs[1]), real(node.inputs[2]))
        elif node.name == "AVERAGE_POOL_2D":
            layers += [nn.AvgPool2d(int(node.options["filter_width"])), nn.Flatten()]
        elif node.name == "FULLY_CONNECTED":
            weight = real(node.inputs[1])
            linear = nn.Linear(weight.shape[1], weight.shape[0])
            linear.weight.data = torch.from_numpy(weight.copy())
            linear.bias.data = torch.from_numpy(real(node.inputs[2]).copy())
            layers.append(linear)
        elif node.name not in ("RESHAPE", "SOFTMAX"):
            raise DataError(f"{path}: node {node.index} ({node.name}) is not of a plain chain")
    return nn.Sequential(*layers).eval()


def convolution(node: Operator, weight: Array, bias: Array) -> list[nn.Module]:
    stride = int(node.options["stride_w"])
    size = weight.shape[1]
    if node.name == "CONV_2D":
        conv = SameConv2d(weight.shape[3], weight.shape[0], size, stride)
        kernel = weight.transpose(0, 3, 1, 2)
    else:
        conv = SameConv2d(weight.shape[3], weight.shape[3], size, stride, groups=weight.shape[3])
        kernel = weight.transpose(3, 0, 1, 2)
    conv.weight.data = torch.from_numpy(np.ascontiguousarray(kernel))
    conv.bias = nn.Parameter(torch.from_numpy(bias.copy()))
    return [conv, nn.ReLU6()]


def activations(net: nn.Sequential, images: U8) -> dict[int, torch.Tensor]:
    """Output of every layer on `images`, per position in the chain."""
    out = {}
    x = to_input(images)
    with torch.no_grad():
        for place, layer in enumerate(net):
            x = layer(x)
            out[place] = x
    return out


def without_constants(net: nn.Sequential, images: U8) -> nn.Sequential:
    """Removes channels that are constant over `images`, or that nothing downstream looks at.

    A 1x1 convolution's channel k feeds channel k of the next depthwise convolution alone, and that one
    column k of the next 1x1 convolution; the three go together. What is constant over `images` is taken to
    be so everywhere: this makes a starting point for training, not an exact copy.
    """
    net = copy.deepcopy(net)
    seen = activations(net, images)
    convs = [i for i, layer in enumerate(net) if isinstance(layer, SameConv2d)]
    linear = next(layer for layer in net if isinstance(layer, nn.Linear))
    keep: dict[int, npt.NDArray[np.intp]] = {}
    for at, place in enumerate(convs):
        conv = net[place]
        assert isinstance(conv, SameConv2d)
        if conv.groups > 1:
            continue
        last = at + 1 == len(convs)
        after = place + 1 if last else convs[at + 1] + 1  # the ReLU6 whose channels the next reader sees
        y = seen[after]
        spread = (y.amax((0, 2, 3)) - y.amin((0, 2, 3))).numpy()
        reader = linear.weight if last else net[convs[at + 2]].weight
        used = reader.detach().abs().amax(0).reshape(-1).numpy()
        dead = (spread < FLAT) | (used < 1e-9)
        value = y.mean((0, 2, 3))
        keep[place] = np.flatnonzero(~dead)
        extra = reader.detach().reshape(reader.shape[0], -1)[:, torch.from_numpy(dead)]
        target = linear if last else net[convs[at + 2]]
        target.bias.data += extra @ value[torch.from_numpy(dead)]
    return sliced(net, keep)


def sliced(net: nn.Sequential, keep: dict[int, npt.NDArray[np.intp]]) -> nn.Sequential:
    layers: list[nn.Module] = []
    inputs = np.arange(3)
    for layer_at, layer in enumerate(net):
        if isinstance(layer, SameConv2d):
            outputs = keep[layer_at] if layer.groups == 1 else inputs
            weight = layer.weight.data[outputs]
            if layer.groups == 1:
                weight = weight[:, inputs]
            groups = 1 if layer.groups == 1 else len(outputs)
            conv = SameConv2d(len(inputs), len(outputs), layer.kernel_size[0], layer.stride[0], groups=groups)
            conv.weight.data = weight.clone()
            assert layer.bias is not None
            conv.bias = nn.Parameter(layer.bias.data[outputs].clone())
            layers.append(conv)
            inputs = outputs
        elif isinstance(layer, nn.Linear):
            linear = nn.Linear(len(inputs), layer.out_features)
            linear.weight.data = layer.weight.data[:, inputs].clone()
            linear.bias.data = layer.bias.data.clone()
            layers.append(linear)
        else:
            layers.append(layer)
    return nn.Sequential(*layers)


def with_batch_norm(net: nn.Sequential, images: U8) -> nn.Sequential:
    """The same function, its biases turned into batch norm whose statistics are those of `images`."""
    seen = activations(net, images)
    layers: list[nn.Module] = []
    for place, layer in enumerate(net):
        if not isinstance(layer, SameConv2d):
            layers.append(layer)
            continue
        assert layer.bias is not None
        bias = layer.bias.data
        y = seen[place] - bias[:, None, None]
        conv = SameConv2d(
            layer.in_channels, layer.out_channels, layer.kernel_size[0], layer.stride[0],
            groups=layer.groups, bias=False,
        )  # fmt: skip
        conv.weight.data = layer.weight.data.clone()
        norm = nn.BatchNorm2d(layer.out_channels)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        norm.running_mean.copy_(y.mean((0, 2, 3)))
        norm.running_var.copy_(y.var((0, 2, 3)))
        norm.weight.data = torch.sqrt(norm.running_var + norm.eps)
        norm.bias.data = norm.running_mean + bias
        layers += [conv, norm]
    return nn.Sequential(*layers)


def resized(net: nn.Sequential, widths: tuple[int, ...], seed: int = 1) -> nn.Sequential:
    """Gives the first and the 1x1 convolutions `widths` output channels.

    Where a layer gets narrower, the channels with the most weight on them stay. Where it gets wider, new
    channels start at random, and what reads them starts near zero, so that the function changes little.
    """
    draw = torch.Generator().manual_seed(seed)
    layers: list[nn.Module] = []
    inputs = np.arange(3)  # places of the old channels among the new ones; -1 is a new one
    pending = iter(widths)
    convs = [layer for layer in net if isinstance(layer, SameConv2d)]
    linear = next(layer for layer in net if isinstance(layer, nn.Linear))
    dense = [layer for layer in convs if layer.groups == 1]
    readers = {id(a): b.weight for a, b in zip(dense, [*dense[1:], linear], strict=True)}
    for layer in net:
        if isinstance(layer, SameConv2d):
            if layer.groups == 1:
                loudness = layer.weight.detach().abs().mean((1, 2, 3)).numpy()
                heard = readers[id(layer)].detach().abs().sum(0).reshape(-1).numpy()
                outputs = widened(loudness * heard, next(pending))
            else:
                outputs = inputs
            conv = SameConv2d(
                len(inputs), len(outputs), layer.kernel_size[0], layer.stride[0],
                groups=1 if layer.groups == 1 else len(outputs),
            )  # fmt: skip
            fan = conv.weight[0].numel()
            conv.weight.data = torch.randn(conv.weight.shape, generator=draw) * (2 / fan) ** 0.5
            assert conv.bias is not None
            assert layer.bias is not None
            conv.bias.data.zero_()
            copy_known(conv, layer, outputs, inputs)
            layers.append(conv)
            inputs = outputs
        elif isinstance(layer, nn.Linear):
            head = nn.Linear(len(inputs), layer.out_features)
            head.weight.data = 0.01 * torch.randn(head.weight.shape, generator=draw)
            head.weight.data[:, inputs >= 0] = layer.weight.data[:, inputs[inputs >= 0]]
            head.bias.data = layer.bias.data.clone()
            layers.append(head)
        else:
            layers.append(layer)
    return nn.Sequential(*layers).eval()


def widened(importance: npt.NDArray[np.float32], width: int) -> npt.NDArray[np.intp]:
    """The old channels kept, in order, then -1 for each new one."""
    kept = np.sort(np.argsort(-importance, kind="stable")[:width])
    return np.concatenate([kept, np.full(width - len(kept), -1)]).astype(np.intp)


def copy_known(
    conv: SameConv2d, old: SameConv2d, outputs: npt.NDArray[np.intp], inputs: npt.NDArray[np.intp]
) -> None:
    rows, old_rows = np.flatnonzero(outputs >= 0), outputs[outputs >= 0]
    assert conv.bias is not None
    assert old.bias is not None
    conv.bias.data[rows] = old.bias.data[old_rows]
    if old.groups > 1:
        conv.weight.data[rows] = old.weight.data[old_rows]
        return
    columns, old_columns = np.flatnonzero(inputs >= 0), inputs[inputs >= 0]
    conv.weight.data[np.ix_(rows, np.flatnonzero(inputs < 0))] *= 0.05
    conv.weight.data[np.ix_(rows, columns)] = old.weight.data[np.ix_(old_rows, old_columns)]
