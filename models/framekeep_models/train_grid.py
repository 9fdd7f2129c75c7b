"""Grid networks: a chain that ends in one number per cell, for centres (person, ship) or cover (shelf)."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from framekeep_models.data_crops import U8
from framekeep_models.data_grid import GridKind, GridPool
from framekeep_models.evaluate_metrics import Floats
from framekeep_models.train_loop import blend, to_input
from framekeep_models.train_options import FitConfig


def centre_loss(logits: torch.Tensor, target: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """CenterNet's penalty-reduced focal loss, per object."""
    chance = logits.sigmoid().clamp(1e-5, 1 - 1e-5)
    peak = (target > 0.999).float()
    hit = peak * (1 - chance) ** 2 * chance.log()
    miss = (1 - peak) * (1 - target) ** 4 * chance**2 * (1 - chance).log()
    return -((hit + miss) * weight).sum() / peak.sum().clamp(min=1)


def cover_loss(logits: torch.Tensor, target: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Cross-entropy per cell, and the square of the error of the whole picture's cover."""
    cells = F.binary_cross_entropy_with_logits(logits, target, weight)
    whole = (logits.sigmoid().mean((1, 2)) - target.mean((1, 2))).square().mean()
    return cells + 20 * whole


def features(layers: Sequence[nn.Module], images: U8, batch: int = 64) -> torch.Tensor:
    """What the backbone makes of all crops, computed once."""
    net = nn.Sequential(*layers).eval()
    with torch.no_grad():
        parts = [net(to_input(images[k : k + batch])) for k in range(0, len(images), batch)]
    return torch.cat(parts)


def fit_grid(
    layers: Sequence[nn.Module],
    head: nn.Sequential,
    pool: GridPool,
    kind: GridKind,
    *,
    config: FitConfig,
    report: Callable[[int, float, nn.Sequential], None],
) -> nn.Sequential:
    """Trains `head` on what the backbone `layers` say, which stay as they are; returns both as one network.

    The backbone runs once over every crop: a grid costs little more than its crops.
    """
    loss_of = centre_loss if kind == "centres" else cover_loss
    order = np.random.default_rng(config.seed)
    seen = features(layers, pool.images)
    head.train()
    kept = copy.deepcopy(head)
    steps = config.epochs * (len(seen) // config.batch)
    rule = torch.optim.AdamW(head.parameters(), lr=config.rate, weight_decay=config.decay)
    rates = torch.optim.lr_scheduler.OneCycleLR(rule, config.rate, total_steps=steps + 1, pct_start=0.1)
    step = 0
    for epoch in range(config.epochs):
        losses = []
        places = order.permutation(len(seen))
        for start in range(0, len(places) - config.batch + 1, config.batch):
            pick = places[start : start + config.batch]
            logits = head(seen[pick])[:, 0]
            loss = loss_of(logits, torch.from_numpy(pool.target[pick]), torch.from_numpy(pool.weight[pick]))
            rule.zero_grad()
            loss.backward()
            rule.step()
            rates.step()
            step += 1
            blend(kept, head, min(config.average, step / (step + 10)))
            losses.append(loss.item())
        if epoch % 4 == 3 or epoch == config.epochs - 1:
            report(epoch, float(np.mean(losses)), whole(layers, kept))
    return whole(layers, kept)


def whole(layers: Sequence[nn.Module], head: nn.Sequential) -> nn.Sequential:
    return nn.Sequential(*layers, *head).eval()


def grids(net: nn.Module, images: U8, batch: int = 64) -> Floats:
    """Probabilities per cell [n, rows, columns]."""
    net.eval()
    out = []
    with torch.no_grad():
        for start in range(0, len(images), batch):
            out.append(net(to_input(images[start : start + batch]))[:, 0].sigmoid().numpy())
    return np.concatenate(out).astype(np.float64)
