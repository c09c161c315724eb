"""Batches made on the device: ordered, augmented and normalized as a whole, image by image nowhere."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from core.data.dataset import ImageSet
from core.errors import DataError
from core.settings import DataSettings, Settings

CIFAR10_MEAN = (0.4914, 0.4822, 0.4465)
CIFAR10_STD = (0.247, 0.243, 0.261)
_VALUES = 256
_RGB = 3


def random_generator(seed: int, epoch: int, purpose: str, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a generator whose numbers depend on the seed, the epoch and the purpose alone.

    Args:
        seed: The trial's seed.
        epoch: The epoch, from 1; 0 before the first.
        purpose: "order", "augmentation", "dropout" or "split": streams that never share a number.
        device: Where the numbers are drawn.
    """
    words = np.random.SeedSequence([seed, epoch, *purpose.encode()]).generate_state(2, np.uint32)
    generator = torch.Generator(device)
    generator.manual_seed(int(words[0]) << 32 | int(words[1]))
    return generator


class Normalizer:
    """Turns bytes into the network's inputs: to [0, 1] as torchvision's ToTensor, then shifted and scaled per channel.

    Attributes:
        mean: One number per channel, or () for none.
        std: One number per channel, or () for none.
    """

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...], device: torch.device | str = "cpu") -> None:
        """Keep mean and standard deviation per channel, on the device."""
        self.mean = mean
        self.std = std
        self._mean = torch.tensor(mean, dtype=torch.float32, device=device).view(1, -1, 1, 1)
        self._std = torch.tensor(std, dtype=torch.float32, device=device).view(1, -1, 1, 1)

    def __call__(self, images: Tensor) -> Tensor:
        """Return inputs (N, channels * height * width), float32, from images (N, channels, height, width), uint8."""
        values = images.to(torch.float32).div_(255)
        if self.mean:
            values.sub_(self._mean).div_(self._std)
        return values.flatten(1)


def make_normalizer(
    settings: DataSettings, train: ImageSet, kept: Tensor | None, device: torch.device | str = "cpu"
) -> Normalizer:
    """Return the normalizer that the settings ask for.

    Args:
        settings: `normalization`, and `mean` and `std` where these are given.
        train: The training set, which `measured` measures.
        kept: Positions of the images that are trained on; None for all. Validation images are never measured.
        device: Where batches will be made.

    Raises:
        DataError: Mean and deviation are for another number of channels than the images have.
    """
    channels = train.images.shape[1]
    if settings.normalization == "none":
        return Normalizer((), (), device)
    if settings.normalization == "measured":
        return Normalizer(*measure(train.images if kept is None else train.images[kept]), device)
    mean, std = settings.mean, settings.std
    if settings.normalization == "cifar10":
        mean, std = CIFAR10_MEAN, CIFAR10_STD
    if len(mean) == 1:
        mean, std = mean * channels, std * channels
    if len(mean) != channels:
        raise DataError(
            f"normalization {settings.normalization} is for {len(mean)} channels, but the images have {channels}; "
            "choose none or measured"
        )
    return Normalizer(mean, std, device)


def measure(images: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and (population) standard deviation per channel of pixels in [0, 1].

    A channel that is the same everywhere gets the deviation 1, so that it can be divided by.

    Args:
        images: (N, channels, height, width), uint8.
    """
    values = np.arange(_VALUES) / 255
    means, deviations = [], []
    for channel in range(images.shape[1]):
        counts = np.bincount(images[:, channel].reshape(-1).numpy(), minlength=_VALUES)
        mean = float(np.average(values, weights=counts))
        means.append(mean)
        deviations.append(float(np.sqrt(np.average((values - mean) ** 2, weights=counts))) or 1.0)
    return tuple(means), tuple(deviations)


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
        raise DataError(f"validation_split {fraction:g} cannot divide the training set: {error}") from error
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
        order = torch.randperm(self.images, generator=random_generator(self._seed, number, "order"))
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
        generator = random_generator(self._seed, epoch, "augmentation")
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
