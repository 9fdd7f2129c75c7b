"""Networks small enough for a Cortex-M4, of operators that the flight kernels have.

Each is a plain chain of 3x3 depthwise and 1x1 convolutions with batch norm (folded at export) and ReLU6, on
an input of raw pixels / 255. The first blocks shrink the picture at once: at 96x96 the tensors of the first
two layers decide the arena, and 48x48x8 after the first convolution keeps input and output together below 48
KiB."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import nn

from framekeep_models.torch_graph import SameConv2d


@dataclass(frozen=True, slots=True)
class ChainConfig:
    """A MobileNetV1-like chain: a first 3x3 convolution of stride 2, then (channels, stride) blocks."""

    side: int
    first: int
    blocks: tuple[tuple[int, int], ...]
    channels: int = 3
    classes: int = 2


PERSON_96 = ChainConfig(
    side=96,
    first=8,
    blocks=((32, 2), (32, 1), (64, 2), (64, 1), (64, 1), (128, 2), (128, 1), (128, 1), (128, 1), (192, 2)),
)
SHIP_80 = ChainConfig(
    side=80,
    first=16,
    blocks=((24, 2), (32, 1), (64, 2), (64, 1), (64, 1), (64, 1), (96, 2), (128, 1)),
)
# Output channels of vww_96_int8's fourteen dense convolutions: those that live, and room in the last nine
# for more.
PERSON_96_WIDTHS = (8, 16, 32, 32, 64, 64, 106, 88, 88, 88, 88, 88, 112, 112)
TOY_32 = ChainConfig(side=32, first=8, blocks=((16, 2), (24, 2)))


def own_config(side: int) -> ChainConfig:
    """A chain for a user's own pictures: the person network's, or below a side of 48 the toy's."""
    if side < 48:
        return replace(TOY_32, side=side)
    return ChainConfig(
        side=side, first=8, blocks=((24, 2), (32, 1), (48, 2), (48, 1), (96, 2), (96, 1), (128, 2))
    )


def conv_bn(inputs: int, outputs: int, size: int, stride: int, groups: int = 1) -> list[nn.Module]:
    return [
        SameConv2d(inputs, outputs, size, stride, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU6(),
    ]


def chain(config: ChainConfig) -> nn.Sequential:
    """A flat nn.Sequential, so that the exporter walks a list and nothing else."""
    layers = conv_bn(config.channels, config.first, 3, 2)
    width = config.first
    for outputs, stride in config.blocks:
        layers += conv_bn(width, width, 3, stride, groups=width)
        layers += conv_bn(width, outputs, 1, 1)
        width = outputs
    side = config.side
    for stride in (2, *(s for _, s in config.blocks)):
        side = -(-side // stride)
    return nn.Sequential(*layers, nn.AvgPool2d(side), nn.Flatten(), nn.Linear(width, config.classes))


def weights_bytes(net: nn.Module) -> int:
    """Bytes of int8 weights and int32 biases once batch norm is folded in."""
    total = 0
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            total += layer.weight.numel() + 4 * layer.weight.shape[0]
    return total


def macs(net: nn.Module, channels: int, side: int | tuple[int, int]) -> int:
    """Multiply-accumulates of one run, counted on the shapes that come out."""
    total = 0

    def count(layer: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        nonlocal total
        if isinstance(layer, nn.Conv2d | nn.Linear):
            total += output[0].numel() * layer.weight[0].numel()
        elif isinstance(layer, nn.ConvTranspose2d):
            total += inputs[0][0].numel() * layer.weight[0].numel()

    hooks = [layer.register_forward_hook(count) for layer in net.modules()]
    was_training = net.training
    net.eval()
    with torch.no_grad():
        net(torch.zeros(1, channels, *((side, side) if isinstance(side, int) else side)))
    net.train(was_training)
    for hook in hooks:
        hook.remove()
    return total
