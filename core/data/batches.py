"""Batches made on the device: ordered, augmented and normalized as a whole, image by image nowhere."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from core.data.dataset import ImageSet
from core.data.normalize import Normalizer
from core.errors import DataError
from core.randomness import seed_generator
from core.settings import Settings


def split_validation(labels: Tensor, fraction: float) -> tuple[Tensor, Tensor]:
    """Return positions to train on and positions kept for validation, both sorted; every class keeps its share.

    The seed plays no part: trials with different seeds are compared on the same validation images.

    Raises:
        DataError: A class has too few images to be divided.
    """
    from sklearn.model_selection import train_test_split  # noqa: PLC0415 - takes a second

    positions = np.arange(len(labels))
    try:
        kept, aside = train_test_split(positions, test_size=fraction, stratify=labels.numpy(), random_state=0)
    except ValueError as error:
        raise DataError(
            f"validation_split {fraction:g} of {len(labels):,} images leaves a class without images to train on or to "
            "validate on; choose another part, or 0"
        ) from error
    return torch.from_numpy(np.sort(kept)), torch.from_numpy(np.sort(aside))


class TrainingBatches:
    """The training set on the device, and its batches in the order of any epoch.

    The order and the augmentation of an epoch depend on the seed and the epoch's number alone, on every device.
    """

    def __init__(
        self,
        train: ImageSet,
        kept: Tensor | None,
        settings: Settings,
        normalize: Normalizer,
        device: torch.device,
    ) -> None:
        """Move the images to the device.

        Args:
            train: The training set.
            kept: Positions of the images to train on; None for all.
            settings: Augmentation, batch size and seed. The last batch of an epoch may be smaller than the others.
            normalize: Turns a batch of images into inputs.
            device: Where batches are made.
        """
        self._images = train.images.to(device)
        self._labels = train.labels.to(device)
        self._kept = kept
        self._settings = settings.data
        self._normalize = normalize
        self._batch_size = settings.training.batch_size
        self._seed = settings.training.seed
        self.images = len(train) if kept is None else len(kept)

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return math.ceil(self.images / self._batch_size)

    def epoch(self, number: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (inputs (m, values) float32, labels (m,) int64) for each batch of the epoch, counted from 1."""
        order = torch.randperm(self.images, generator=seed_generator(torch.Generator(), self._seed, number, "order"))
        positions = order if self._kept is None else self._kept[order]
        positions = positions.to(self._images.device)
        shifts, flips = self._augmentation(number)
        for start in range(0, self.images, self._batch_size):
            batch = slice(start, start + self._batch_size)
            images = self._images.index_select(0, positions[batch])
            if shifts is not None:
                images = crop(images, shifts[batch], self._settings.crop_padding)
            if flips is not None:
                images = torch.where(flips[batch, None, None, None], images.flip(-1), images)
            yield self._normalize(images), self._labels.index_select(0, positions[batch])

    def _augmentation(self, epoch: int) -> tuple[Tensor | None, Tensor | None]:
        """Return the epoch's shifts (N, 2) in pixels and flips (N,), by position in its order; None where off."""
        generator = seed_generator(torch.Generator(), self._seed, epoch, "augmentation")
        shifts = torch.randint(0, 2 * self._settings.crop_padding + 1, (self.images, 2), generator=generator)
        flips = torch.rand(self.images, generator=generator) < 0.5  # noqa: PLR2004 - one half
        device = self._images.device
        return (
            shifts.to(device) if self._settings.crop_padding else None,
            flips.to(device) if self._settings.horizontal_flip else None,
        )


def crop(images: Tensor, shifts: Tensor, padding: int) -> Tensor:
    """Return images of the same size, cut at the shifts out of the images padded with black (torchvision's RandomCrop).

    Args:
        images: (m, channels, height, width), uint8.
        shifts: (m, 2), rows and columns from 0 to twice the padding.
        padding: Pixels of black on each side.
    """
    height, width = images.shape[2:]
    padded = functional.pad(images, (padding,) * 4)
    windows = padded.unfold(2, height, 1).unfold(3, width, 1)  # a view: (m, channels, rows, columns, height, width)
    return windows[torch.arange(len(images), device=images.device), :, shifts[:, 0], shifts[:, 1]]
