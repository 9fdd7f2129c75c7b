"""Grid networks: a chain that ends in one number per cell, for centres (person, ship) or cover (shelf)."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from framekeep_models.data import DataError
from framekeep_models.data_crops import U8
from framekeep_models.data_grid import GridCrops, GridKind
from framekeep_models.evaluate_metrics import Floats
from framekeep_models.train_loop import blend, to_input


def centre_loss(logits: torch.Tensor, target: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """CenterNet's penalty-reduced focal loss, per object."""
    chance = logits.sigmoid().clamp(1e-5, 1 - 1e-5)
    peak = (target > 0.999).float()
    hit = peak * (1 - chance) ** 2 * chance.log()
    miss = (1 - peak) * (1 - target) ** 4 * chance**2 * (1 - chance).log()
    return -((hit + miss) * weight).sum() / peak.sum().clamp(min=1)


def cover_loss(logits: torch.Tensor, target: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Cross-entropy per cell, and the error of the whole picture's cover; of the roots, so that 1 % taken
    for 2 % counts as much as 9 % for 12 %."""
    cells = F.binary_cross_entropy_with_logits(logits, target, weight)
    said, true = logits.sigmoid().mean((1, 2)), target.mean((1, 2))
    return cells + 10 * ((said + 1e-3).sqrt() - (true + 1e-3).sqrt()).square().mean()


SAVED_EVERY = 500  # steps


@dataclass(frozen=True, slots=True)
class GridFit:
    """How long and how fast a grid network learns."""

    steps: int
    batch: int = 16
    rate: float = 3e-3
    decay: float = 0.02
    average: float = 0.998  # of the weights, per step; the averaged copy is what is kept
    seed: int = 1
    looks: int = 4  # times on the way that the validation pictures are looked at


def fit_grid(
    net: nn.Module,
    crops: GridCrops,
    kind: GridKind,
    fit: GridFit,
    *,
    report: Callable[[int, float, nn.Module], None],
    saved: Path | None = None,
) -> nn.Module:
    """Trains the whole network on crops cut as it goes, and returns the averaged one.

    Convolutions run in bfloat16: twice as fast where the processor has units for it. What was reached is kept
    in the file `saved` now and then; where that file is there already, training goes on from it, to the same
    end.
    """
    loss_of = centre_loss if kind == "centres" else cover_loss
    net.to(memory_format=torch.channels_last)
    net.train()
    kept = copy.deepcopy(net)
    rule = torch.optim.AdamW(net.parameters(), lr=fit.rate, weight_decay=fit.decay)
    rates = torch.optim.lr_scheduler.OneCycleLR(rule, fit.rate, total_steps=fit.steps + 1, pct_start=0.1)
    settings = f"{kind} {fit} {crops.cutting} {crops.shape} {crops.chances.tolist()}"
    state = GridState(net, kept, rule, rates, crops, settings)
    begun = state.load(saved) if saved is not None and saved.is_file() else 0
    losses = []
    for step in range(begun + 1, fit.steps + 1):
        pool = crops.batch(fit.batch)
        x = to_input(pool.images)
        with torch.autocast("cpu", torch.bfloat16):
            logits = net(x)
        loss = loss_of(logits[:, 0].float(), torch.from_numpy(pool.target), torch.from_numpy(pool.weight))
        rule.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 10.0)
        rule.step()
        rates.step()
        blend(kept, net, min(fit.average, step / (step + 10)))
        losses.append(loss.item())
        if step % (fit.steps // fit.looks) == 0:
            report(step, float(np.mean(losses)), kept)
            losses.clear()
        if saved is not None and (step % SAVED_EVERY == 0 or step == fit.steps):
            state.save(saved, step)
    return kept.eval()


@dataclass(frozen=True, slots=True)
class GridState:
    """All that training on depends on."""

    net: nn.Module
    kept: nn.Module
    rule: torch.optim.Optimizer
    rates: torch.optim.lr_scheduler.LRScheduler
    crops: GridCrops
    settings: str  # another training is not gone on with

    def save(self, path: Path, step: int) -> None:
        beside = path.with_suffix(".part")
        torch.save(
            {
                "step": step,
                "settings": self.settings,
                "parts": [p.state_dict() for p in (self.net, self.kept, self.rule, self.rates)],
                "draws": self.crops.rng.bit_generator.state,
            },
            beside,
        )
        beside.replace(path)

    def load(self, path: Path) -> int:
        try:
            state = torch.load(path, weights_only=True)
            same = state["settings"] == self.settings
        except (RuntimeError, EOFError, KeyError, TypeError, pickle.UnpicklingError):
            same = False
        if not same:
            raise DataError(f"{path}: not left by this training; remove it, or choose another --out")
        for part, values in zip((self.net, self.kept, self.rule, self.rates), state["parts"], strict=True):
            part.load_state_dict(values)
        self.crops.rng.bit_generator.state = state["draws"]
        return int(state["step"])


def grids(net: nn.Module, images: U8, batch: int = 64) -> Floats:
    """Probabilities per cell [n, rows, columns]."""
    net.eval()
    out = []
    with torch.no_grad():
        for start in range(0, len(images), batch):
            out.append(net(to_input(images[start : start + batch]))[:, 0].sigmoid().numpy())
    return np.concatenate(out).astype(np.float64)
