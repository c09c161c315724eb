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
    return generator.manual_seed(epoch_key(seed, epoch, purpose) % (1 << 64))


def epoch_key(seed: int, epoch: int, purpose: str) -> int:
    """Return the 64 bits, as a number with a sign, that all random numbers of one epoch and purpose come from."""
    words = np.random.SeedSequence([seed, epoch, *purpose.encode()]).generate_state(2, np.uint32)
    return int(np.uint64(int(words[0]) << 32 | int(words[1])).view(np.int64))
