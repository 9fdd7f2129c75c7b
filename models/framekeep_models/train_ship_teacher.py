"""The teacher of `ship_80`: a network of dense 3x3 convolutions, of thirty times its work, that learns
the same views from the same labels, and then says of every view how much of a ship it sees there.

It is made anew by every run from random weights, and never shipped."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import torch
from torch import nn

from framekeep_models.data_crops import U8, Pool
from framekeep_models.evaluate_metrics import Floats
from framekeep_models.train import say
from framekeep_models.train_loop import Clock, fit, scores
from framekeep_models.train_options import FitConfig

WIDTHS = (32, 64, 128, 256)
FIT = FitConfig(epochs=2, rate=2e-3, doubt=0.02, quarter_turns=True, short=True)


def block(inputs: int, outputs: int, stride: int) -> list[nn.Module]:
    return [
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    ]


class Residual(nn.Module):  # type: ignore[misc]
    def __init__(self, width: int) -> None:
        super().__init__()
        self.twice = nn.Sequential(*block(width, width, 1), *block(width, width, 1)[:2])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(x + self.twice(x))


def teacher_net(widths: tuple[int, ...] = WIDTHS) -> nn.Sequential:
    layers = block(3, widths[0], 2)
    for before, width in pairwise(widths):
        layers += [*block(before, width, 2), Residual(width)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(widths[-1], 2))


def taught(clean: U8, pool: Pool, seed: int, fit_as: FitConfig = FIT) -> Pool:
    """The pool with `soft`: what a teacher, which learned its labelled views, says of the clean ones."""
    clock = Clock()
    known = np.flatnonzero(pool.hard >= 0)
    teacher = fit(
        teacher_net(),
        replace(pool, images=pool.images[known], hard=pool.hard[known], soft=pool.soft[known]),
        replace(fit_as, seed=seed),
        lambda epoch, loss, _: say(f"{clock} teacher, epoch {epoch + 1}/{fit_as.epochs} loss {loss:.4f}"),
    )
    soft = 1 / (1 + np.exp(-opinion(teacher, clean)))
    say(f"{clock} teacher has said what it sees in {len(clean)} views")
    return replace(pool, soft=soft.astype(np.float32))


def opinion(teacher: nn.Sequential, images: U8, batch: int = 256) -> Floats:
    """The teacher's logits, of the four quarter turns the mean: surer than of one, and the same however the
    student sees the view turned."""
    parts = [images[start : start + batch] for start in range(0, len(images), batch)]
    means = [np.mean([said(teacher, part, turn) for turn in range(4)], axis=0) for part in parts]
    return np.concatenate(means)


def said(teacher: nn.Sequential, images: U8, turn: int) -> Floats:
    return scores(teacher, np.ascontiguousarray(np.rot90(images, turn, (1, 2))), short=True)
