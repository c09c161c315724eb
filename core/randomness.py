"""Random numbers that depend on the seed, the epoch and their purpose alone."""

from __future__ import annotations

import numpy as np
import torch


def seed_generator(generator: torch.Generator, seed: int, epoch: int, purpose: str) -> torch.Generator:
    """Set a generator to the numbers of one epoch and purpose, and return it.

    Args:
        generator: A generator of any device. torch's generators of different devices draw different numbers.
        seed: The trial's seed.
        epoch: The epoch, from 1.
        purpose: "order", "augmentation" or "dropout": each has a stream of its own.
    """
    words = np.random.SeedSequence([seed, epoch, *purpose.encode()]).generate_state(2, np.uint32)
    return generator.manual_seed(int(words[0]) << 32 | int(words[1]))
