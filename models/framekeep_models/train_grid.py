"""Grid networks: a chain that ends in one number per cell, for centres (person, ship) or cover (shelf)."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from framekeep_models.data_crops import U8
from framekeep_models.data_grid import GridKind, GridPool
from framekeep_models.evaluate_metrics import Floats
from framekeep_models.train_loop import blend, jitter, to_input
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


def fit_grid(
    net: nn.Sequential,
    pool: GridPool,
    kind: GridKind,
    config: FitConfig,
    report: Callable[[int, float, nn.Module], None],
) -> nn.Sequential:
    """As train_loop.fit, for grids: mirrored pictures were made with the pool, quarter turns turn both."""
    loss_of = centre_loss if kind == "centres" else cover_loss
    order = np.random.default_rng(config.seed)
    generator = torch.Generator().manual_seed(config.seed)
    net.to(memory_format=torch.channels_last)
    net.train()
    kept = copy.deepcopy(net)
    steps = config.epochs * (len(pool.images) // config.batch)
    rule = torch.optim.AdamW(net.parameters(), lr=config.rate, weight_decay=config.decay)
    rates = torch.optim.lr_scheduler.OneCycleLR(rule, config.rate, total_steps=steps + 1, pct_start=0.1)
    step = 0
    for epoch in range(config.epochs):
        losses = []
        places = order.permutation(len(pool.images))
        for start in range(0, len(places) - config.batch + 1, config.batch):
            pick = places[start : start + config.batch]
            x = jitter(to_input(pool.images[pick]), config, generator)
            target, weight = torch.from_numpy(pool.target[pick]), torch.from_numpy(pool.weight[pick])
            if config.quarter_turns:
                turns = int(order.integers(4))
                x, target, weight = (torch.rot90(v, turns, (-2, -1)) for v in (x, target, weight))
            loss = loss_of(net(x)[:, 0], target, weight)
            rule.zero_grad()
            loss.backward()
            rule.step()
            rates.step()
            step += 1
            blend(kept, net, min(config.average, step / (step + 10)))
            losses.append(loss.item())
        report(epoch, float(np.mean(losses)), kept)
    kept.eval()
    return kept


def grids(net: nn.Module, images: U8, batch: int = 64) -> Floats:
    """Probabilities per cell [n, rows, columns]."""
    net.eval()
    out = []
    with torch.no_grad():
        for start in range(0, len(images), batch):
            out.append(net(to_input(images[start : start + batch]))[:, 0].sigmoid().numpy())
    return np.concatenate(out).astype(np.float64)
