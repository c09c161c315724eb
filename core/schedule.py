"""The learning rate of every training step; needs no torch, so that forms can draw it."""

from __future__ import annotations

import math

from core.settings import TrainingSettings

ONE_CYCLE_START = 1 / 25
ONE_CYCLE_END = 1 / 25e4
ONE_CYCLE_RISE = 0.3


def learning_rate_at(training: TrainingSettings, step: int, steps_per_epoch: int) -> float:
    """Return the learning rate of one training step.

    After a linear warm-up (Goyal et al. 2017, https://arxiv.org/abs/1706.02677), "constant" stays at the learning rate
    and "cosine" falls to zero (Loshchilov and Hutter 2016, https://arxiv.org/abs/1608.03983, without restarts).
    "one-cycle" rises by a cosine from a 25th of it over the warm-up, or the first 30 % of the trial, and falls by a
    cosine to a 250,000th (Smith and Topin 2017, https://arxiv.org/abs/1708.07120, as torch's OneCycleLR; the momentum
    stays as it is).

    Args:
        training: The trial's training settings.
        step: The step's number over the whole trial, from 0.
        steps_per_epoch: Batches in an epoch.
    """
    total = training.epochs * steps_per_epoch
    rise = training.warmup_epochs * steps_per_epoch
    if training.schedule == "one-cycle":
        peak = max((rise or ONE_CYCLE_RISE * total) - 1, 0.0)
        if step <= peak:
            factor = _cosine(ONE_CYCLE_START, 1.0, step / peak if peak else 1.0)
        else:
            factor = _cosine(1.0, ONE_CYCLE_END, (step - peak) / (total - 1 - peak))
    elif step < rise:
        factor = (step + 1) / rise if rise > 1 else 1.0
    elif training.schedule == "cosine":
        factor = _cosine(1.0, 0.0, (step - rise) / max(total - rise, 1))
    else:
        factor = 1.0
    return training.learning_rate * min(factor, 1.0)


def _cosine(start: float, end: float, part: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * min(part, 1.0))) / 2
