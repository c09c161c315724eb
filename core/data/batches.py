"""Batches made on the device: ordered, augmented and normalized as a whole, image by image nowhere."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from core.data.dataset import Dataset
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


@dataclass(frozen=True, slots=True)
class Plan:
    """What an epoch, or one batch of it, is made of: image by image, in order, on the device.

    Attributes:
        positions: Positions in the training set (m,), int64.
        shifts: Rows and columns by which each image is shifted before it is cut (m, 2), int64; None: by none.
        flips: Whether each is mirrored (m,), bool; None: none is.
        shares: Each image's own share in its mixture (m,), float32; None: there are no mixtures.
    """

    positions: Tensor
    shifts: Tensor | None
    flips: Tensor | None
    shares: Tensor | None

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.positions)

    def batches(self, batch_size: int) -> Iterator[Plan]:
        """Yield the plans of its batches, of which the last may be smaller than the others."""
        for start in range(0, len(self), batch_size):
            part = slice(start, start + batch_size)
            others = (None if each is None else each[part] for each in (self.shifts, self.flips, self.shares))
            yield Plan(self.positions[part], *others)

    def copy(self) -> Plan:
        """Return the same in memory of its own."""
        others = (None if each is None else each.clone() for each in (self.shifts, self.flips, self.shares))
        return Plan(self.positions.clone(), *others)

    def tensors(self) -> tuple[Tensor, Tensor | None, Tensor | None, Tensor | None]:
        """Return all that it is made of."""
        return self.positions, self.shifts, self.flips, self.shares


@dataclass(frozen=True, slots=True)
class ImageSource:
    """What batches are made from, on the device.

    Attributes:
        images: (N, channels, height, width), uint8.
        labels: (N,), int64.
        mean: Of each channel (channels,), float32; (0,) where nothing is subtracted.
        std: What is divided by then, likewise.
        padding: Pixels of black on each side, where images are cropped.
    """

    images: Tensor
    labels: Tensor
    mean: Tensor
    std: Tensor
    padding: int


class TrainingBatches:
    """The training set on the device, and its batches in the order of any epoch.

    The order and the augmentation of an epoch depend on the seed and the epoch's number alone, on every device.

    Attributes:
        images: Number of images in an epoch.
        classes: Number of classes.
    """

    def __init__(
        self,
        data: Dataset,
        kept: Tensor | None,
        settings: Settings,
        normalize: Normalizer,
        device: torch.device,
    ) -> None:
        """Move the images to the device.

        Args:
            data: Its training set is divided into batches.
            kept: Positions of the images to train on; None for all.
            settings: Augmentation, batch size and seed. The last batch of an epoch may be smaller than the others.
            normalize: Turns a batch of images into inputs.
            device: Where batches are made.
        """
        self._images = data.train.images.to(device)
        self._labels = data.train.labels.to(device)
        self._kept = kept
        self._settings = settings.data
        self._normalize = normalize
        self.classes = len(data.classes)
        self._batch_size = settings.training.batch_size
        self._seed = settings.training.seed
        self.images = len(data.train) if kept is None else len(kept)

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return math.ceil(self.images / self._batch_size)

    @property
    def source(self) -> ImageSource:
        """What a batch is made from."""
        mean, std = self._normalize.mean_tensor.flatten(), self._normalize.std_tensor.flatten()
        return ImageSource(self._images, self._labels, mean, std, self._settings.crop_padding)

    def reseeded(self, seed: int) -> TrainingBatches:
        """Return the same images in the orders, and with the augmentation, of another seed."""
        other = copy.copy(self)
        other._seed = seed
        return other

    def epoch(self, number: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield what `make` returns for each batch of the epoch, counted from 1."""
        return map(self.make, self.plan(number).batches(self._batch_size))

    def plan(self, number: int) -> Plan:
        """Return what the epoch, counted from 1, is made of."""
        order = torch.randperm(self.images, generator=seed_generator(torch.Generator(), self._seed, number, "order"))
        positions = order if self._kept is None else self._kept[order]
        shifts, flips = self._augmentation(number)
        return Plan(positions.to(self._images.device), shifts, flips, self._shares(number))

    def make(self, part: Plan) -> tuple[Tensor, Tensor]:
        """Return a batch's inputs and targets.

        Inputs are (m, values) float32. Targets are labels (m,) int64 or, with mixup, the classes' shares (m, classes)
        float32, of which the image's own class has the largest unless both are of one class.
        """
        images = self._images.index_select(0, part.positions)
        if part.shifts is not None:
            images = crop(images, part.shifts, self._settings.crop_padding)
        if part.flips is not None:
            images = torch.where(part.flips[:, None, None, None], images.flip(-1), images)
        inputs, labels = self._normalize(images), self._labels.index_select(0, part.positions)
        return (inputs, labels) if part.shares is None else mix(inputs, labels, part.shares, self.classes)

    def _shares(self, epoch: int) -> Tensor | None:
        """Return each image's own share (N,) in its mixture, from a half to 1, by position in the order; None if off.

        The larger share is the image's own, which changes nothing: Beta(a, a) is symmetric.
        """
        strength = self._settings.mixup
        if not strength:
            return None
        drawn = np.random.default_rng([self._seed, epoch, *b"mixup"]).beta(strength, strength, self.images)
        return torch.from_numpy(np.maximum(drawn, 1 - drawn).astype(np.float32)).to(self._images.device)

    def _augmentation(self, epoch: int) -> tuple[Tensor | None, Tensor | None]:
        """Return the epoch's shifts (N, 2) in pixels and flips (N,), by position in its order; None where off."""
        if not (self._settings.crop_padding or self._settings.horizontal_flip):
            return None, None
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


def mix(inputs: Tensor, labels: Tensor, shares: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """Return mixtures of each image with the one at the other end of its batch (Zhang et al. 2018).

    The batch's order is random, and so are the pairs. https://arxiv.org/abs/1710.09412 draws one share per batch; here
    every image has its own, as in https://doi.org/10.5281/zenodo.4414861 (timm, mode "elem").

    Args:
        inputs: (m, values), float32; with more dimensions before, these are batches of their own, here and below.
        labels: (m,), int64.
        shares: (m,), the part of each image in its own mixture, 0 to 1.
        classes: Number of classes.

    Returns:
        Mixed inputs (m, values) and the classes' shares (m, classes), float32.
    """
    own = shares[..., None]
    targets = functional.one_hot(labels, classes).float()
    return torch.lerp(inputs.flip(-2), inputs, own), torch.lerp(targets.flip(-2), targets, own)
