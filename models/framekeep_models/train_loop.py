"""Fits a network to a pool of crops: soft and hard labels, cosine schedule, an averaged copy of the weights.

Plain and short on purpose; what differs between tasks is in the recipes (`train_person.py`, ...).
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from framekeep_models.data_crops import F32, U8, Pool
from framekeep_models.evaluate_metrics import Floats
from framekeep_models.train_options import FitConfig


def seed_all(seed: int, threads: int = 1) -> None:
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)


def targets(pool: Pool, hard_share: float) -> tuple[F32, F32]:
    """Probability to aim at and weight of each crop; a crop that nobody labelled weighs nothing."""
    hard_known, soft_known = pool.hard >= 0, ~np.isnan(pool.soft)
    share = np.where(hard_known & soft_known, hard_share, np.where(hard_known, 1.0, 0.0))
    aim = share * np.maximum(pool.hard, 0) + (1 - share) * np.nan_to_num(pool.soft)
    return aim.astype(np.float32), (hard_known | soft_known).astype(np.float32)


def jitter(x: torch.Tensor, config: FitConfig, generator: torch.Generator) -> torch.Tensor:
    """Cheap variety per step, on a batch in 0..1: flips, turns, brightness, contrast, colour and a little
    noise."""
    n = x.shape[0]

    def draw(low: float, high: float, channels: int = 1) -> torch.Tensor:
        return low + (high - low) * torch.rand(n, channels, 1, 1, generator=generator)

    flip = torch.rand(n, generator=generator) < 0.5
    x = torch.where(flip[:, None, None, None], x.flip(3), x)
    if config.quarter_turns:
        x = torch.rot90(x, int(torch.randint(4, (1,), generator=generator)), (2, 3))
    mean = x.mean((1, 2, 3), keepdim=True)
    x = (x - mean) * draw(0.7, 1.3) + mean * draw(0.7, 1.3)
    x = x * draw(0.92, 1.08, x.shape[1])
    if torch.rand(1, generator=generator) < 0.5:
        x = x + 0.02 * torch.randn(x.shape, generator=generator)
    return x.clamp(0, 1)


def fit(
    net: nn.Sequential,
    pool: Pool,
    config: FitConfig,
    report: Callable[[int, float, nn.Module], None],
) -> nn.Sequential:
    """Trains in place and returns the averaged network. `report(epoch, loss, averaged)` after every epoch."""
    order = np.random.default_rng(config.seed)
    generator = torch.Generator().manual_seed(config.seed)
    net.to(memory_format=torch.channels_last)
    net.train()
    kept = copy.deepcopy(net)
    batch = min(config.batch, len(pool.hard))
    steps = config.epochs * (len(pool.hard) // batch)
    rule = torch.optim.AdamW(net.parameters(), lr=config.rate, weight_decay=config.decay)
    rates = torch.optim.lr_scheduler.OneCycleLR(rule, config.rate, total_steps=steps + 1, pct_start=0.1)
    aim, weight = targets(pool, config.hard_share)
    aim = config.doubt + (1 - 2 * config.doubt) * aim
    step = 0
    for epoch in range(config.epochs):
        losses = []
        places = order.permutation(len(pool.hard))
        for start in range(0, len(places) - batch + 1, batch):
            if step >= steps:
                break
            pick = places[start : start + batch]
            x = to_input(pool.images[pick])
            x = jitter(x, config, generator)
            with torch.autocast("cpu", torch.bfloat16, enabled=config.short):
                logits = net(x).float()
            loss = F.binary_cross_entropy_with_logits(
                logits[:, 1] - logits[:, 0], torch.from_numpy(aim[pick]), torch.from_numpy(weight[pick])
            )
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


def blend(kept: nn.Module, net: nn.Module, keep: float) -> None:
    with torch.no_grad():
        for old, new in zip(kept.state_dict().values(), net.state_dict().values(), strict=True):
            if old.dtype.is_floating_point:
                old.lerp_(new, 1 - keep)
            else:
                old.copy_(new)


def to_input(images: U8) -> torch.Tensor:
    """RGB bytes [n, h, w, 3] to what the network sees: 0..1, channels first (channels last in memory)."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).float().div_(255)


def scores(net: nn.Module, images: U8, batch: int = 256, short: bool = False) -> Floats:
    """The logit of class 1 over class 0."""
    net.eval()
    out = []
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=short):
        for start in range(0, len(images), batch):
            logits = net(to_input(images[start : start + batch])).float()
            out.append((logits[:, 1] - logits[:, 0]).numpy())
    return np.concatenate(out).astype(np.float64)


class Clock:
    """Seconds since the start, for progress lines."""

    def __init__(self) -> None:
        self.start = time.monotonic()

    def __str__(self) -> str:
        return f"{time.monotonic() - self.start:6.0f} s"
