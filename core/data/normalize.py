"""From bytes to the network's inputs."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from core.data.dataset import ImageSet
from core.errors import DataError
from core.settings import DataSettings

CIFAR10_MEAN = (0.4914, 0.4822, 0.4465)
CIFAR10_STD = (0.247, 0.243, 0.261)
_VALUES = 256
_MEASURED_AT_ONCE = 1_000  # images


class Normalizer:
    """Turns bytes into the network's inputs: to [0, 1] as torchvision's ToTensor, then shifted and scaled per channel.

    Attributes:
        mean: One number per channel, or () for none.
        std: One number per channel, or () for none.
        mean_tensor: The same on the device, (1, channels, 1, 1), float32.
        std_tensor: Likewise.
    """

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...], device: torch.device | str = "cpu") -> None:
        """Keep mean and standard deviation per channel, on the device."""
        self.mean = mean
        self.std = std
        self.mean_tensor, self.std_tensor = (
            torch.tensor(each, dtype=torch.float32, device=device).view(1, -1, 1, 1) for each in (mean, std)
        )

    def __call__(self, images: Tensor) -> Tensor:
        """Return inputs (N, channels * height * width), float32, from images (N, channels, height, width), uint8."""
        values = images.to(torch.float32).div_(255)
        if self.mean:
            values.sub_(self.mean_tensor).div_(self.std_tensor)
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
        return Normalizer(*measure(train.images, kept), device)
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


def measure(images: Tensor, kept: Tensor | None = None) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and (population) standard deviation per channel of pixels in [0, 1].

    A channel that is the same everywhere gets the deviation 1, so that it can be divided by.

    Args:
        images: (N, channels, height, width), uint8.
        kept: Positions of the images to measure; None for all.
    """
    counts = np.zeros((images.shape[1], _VALUES), dtype=np.int64)
    positions = torch.arange(len(images)) if kept is None else kept
    for some in positions.split(_MEASURED_AT_ONCE):  # counting makes eight bytes of each
        for channel, pixels in enumerate(images[some].transpose(0, 1)):
            counts[channel] += np.bincount(pixels.reshape(-1).numpy(), minlength=_VALUES)
    values = np.arange(_VALUES) / 255
    means = [float(np.average(values, weights=count)) for count in counts]
    spreads = [np.average((values - mean) ** 2, weights=count) for mean, count in zip(means, counts, strict=True)]
    return tuple(means), tuple(float(np.sqrt(spread)) or 1.0 for spread in spreads)
