"""The grid detectors' network: down to coarse cells to see the surroundings, and up again to say where.

Dense 3x3 convolutions shrink the picture at once, row by row on the target, so that no large map is ever
whole in memory. What the coarse levels know of the surroundings is enlarged and added to the 8-pixel level.
Where 8 pixels a cell are too coarse, a transposed convolution makes four cells of each at the very end: the
work stays at 8 pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from framekeep_models.nets import conv_bn


@dataclass(frozen=True, slots=True)
class GridWidths:
    """Channels of the levels, named by pixels a cell."""

    at_2: int = 16
    at_4: int = 32
    at_8: int = 64
    at_16: int = 64
    at_32: int = 96
    head: int = 48


def slim(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """3x3 depthwise, then 1x1: a tenth of the weights of a dense 3x3."""
    return nn.Sequential(*conv_bn(inputs, inputs, 3, stride, groups=inputs), *conv_bn(inputs, outputs, 1, 1))


def dense(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(*conv_bn(inputs, outputs, 3, stride))


class GridNet(nn.Module):  # type: ignore[misc]
    """One logit a cell, of `stride` 8 or 4 pixels. The sides of the input are multiples of 32."""

    def __init__(self, widths: GridWidths, stride: int) -> None:
        super().__init__()
        w = widths
        self.down_4 = nn.Sequential(dense(3, w.at_2, 2), dense(w.at_2, w.at_4, 2), slim(w.at_4, w.at_4))
        self.down_8 = nn.Sequential(dense(w.at_4, w.at_8, 2), slim(w.at_8, w.at_8))
        self.down_16 = dense(w.at_8, w.at_16, 2)
        self.more_16 = nn.Sequential(slim(w.at_16, w.at_16), slim(w.at_16, w.at_16))
        self.down_32 = nn.Sequential(slim(w.at_16, w.at_32, 2), slim(w.at_32, w.at_32))
        self.back_16 = nn.Sequential(*conv_bn(w.at_32, w.at_16, 1, 1))
        self.join_16 = slim(w.at_16, w.at_8)
        self.join_8 = dense(w.at_8, w.head)
        self.grow = nn.Upsample(scale_factor=2, mode="nearest")
        self.cells = nn.Conv2d(w.head, 1, 1) if stride == 8 else nn.ConvTranspose2d(w.head, 1, 2, 2)
        nn.init.constant_(self.cells.bias, -4.0)  # nothing is there, to begin with

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        at_8 = self.down_8(self.down_4(x))
        at_16 = self.down_16(at_8)
        at_16 = at_16 + self.more_16(at_16)
        at_16 = at_16 + self.grow(self.back_16(self.down_32(at_16)))
        at_8 = at_8 + self.grow(self.join_16(at_16))
        return self.cells(self.join_8(at_8))


class WarmGridNet(nn.Module):  # type: ignore[misc]
    """The same idea on the layers of a classifier that ships: what it knows of its objects is the start."""

    def __init__(self, layers: Sequence[nn.Module], head: int) -> None:
        super().__init__()
        to_8, to_16, to_32 = stages(layers)
        at_8, at_16, at_32 = (width_of(stage) for stage in (to_8, to_16, to_32))
        self.to_8, self.to_16, self.to_32 = to_8, to_16, to_32
        self.back_16 = nn.Sequential(*conv_bn(at_32, at_16, 1, 1))
        self.join_16 = slim(at_16, at_8)
        self.join_8 = dense(at_8, head)
        self.grow = nn.Upsample(scale_factor=2, mode="nearest")
        self.cells = nn.Conv2d(head, 1, 1)
        nn.init.constant_(self.cells.bias, -4.0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        at_8 = self.to_8(x)
        at_16 = self.to_16(at_8)
        at_16 = at_16 + self.grow(self.back_16(self.to_32(at_16)))
        at_8 = at_8 + self.grow(self.join_16(at_16))
        return self.cells(self.join_8(at_8))


def stages(layers: Sequence[nn.Module]) -> tuple[nn.Sequential, nn.Sequential, nn.Sequential]:
    """Parted where a cell grows to 16 and to 32 pixels."""
    parts: dict[int, list[nn.Module]] = {8: [], 16: [], 32: []}
    reached = 1
    for layer in layers:
        reached *= layer.stride[0] if isinstance(layer, nn.Conv2d) else 1
        parts[max(8, reached)].append(layer)
    return nn.Sequential(*parts[8]), nn.Sequential(*parts[16]), nn.Sequential(*parts[32])


def width_of(stage: nn.Sequential) -> int:
    """Channels that its last convolution gives."""
    return int([layer for layer in stage if isinstance(layer, nn.Conv2d)][-1].out_channels)
