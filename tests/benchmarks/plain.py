"""The plain script: trial 25 of the reference history as anybody would write it with torchvision's usual parts."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from core.data.normalize import CIFAR10_MEAN, CIFAR10_STD
from core.settings import Settings


class Images(Dataset[tuple[Tensor, int]]):
    """Images as `torchvision.datasets.CIFAR10` gives them: arrays in memory, a PIL image per item, then transforms."""

    def __init__(self, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> None:
        """Keep images (N, 3, 32, 32) and labels (N,)."""
        self._images = np.ascontiguousarray(images.transpose(0, 2, 3, 1))
        self._labels = labels.tolist()
        self._transform = transforms.Compose(
            [transforms.ToTensor(), transforms.Normalize(CIFAR10_MEAN, CIFAR10_STD), transforms.Lambda(torch.flatten)]
        )

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """Return an image's values and its label."""
        return self._transform(Image.fromarray(self._images[index])), self._labels[index]


class Plain:
    """A network, Adam and two loaders, and a loop over batches."""

    def __init__(self, settings: Settings, arrays: dict[str, NDArray[Any]], workers: int, device: str = "cpu") -> None:
        """Build all from scratch.

        Args:
            settings: Those of trial 25, or others with the same parts.
            arrays: `train_images`, `train_labels`, `test_images` and `test_labels`.
            workers: Processes that load images; 0: none but this one.
            device: "cpu" or "cuda".
        """
        layers: list[nn.Module] = []
        before = 3 * 32 * 32
        self.covered: list[nn.Linear] = []
        for hidden in settings.model.hidden:
            linear = nn.Linear(before, hidden.width)
            self.covered += [linear] * hidden.l2
            layers += [linear, *([nn.BatchNorm1d(hidden.width)] * hidden.batch_norm), nn.ReLU()]
            layers += [nn.Dropout(hidden.dropout)] if hidden.dropout else []
            before = hidden.width
        output = nn.Linear(before, 10)
        self.covered += [output] * settings.model.output.l2
        self.device = device
        self.model = nn.Sequential(*layers, output).to(device)
        training = settings.training
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=training.learning_rate)
        self.l2_lambda = training.l2_lambda
        train = Images(arrays["train_images"], arrays["train_labels"])
        test = Images(arrays["test_images"], arrays["test_labels"])
        self.train_loader = DataLoader(train, training.batch_size, shuffle=True, num_workers=workers)
        self.test_loader = DataLoader(test, training.batch_size, num_workers=workers)

    def train(self) -> float:
        """Train an epoch; return its mean cost."""
        self.model.train()
        total = 0.0
        for images, answers in self.train_loader:
            inputs, labels = images.to(self.device), answers.to(self.device)
            self.optimizer.zero_grad()
            loss = functional.cross_entropy(self.model(inputs), labels)
            squares = sum(linear.weight.norm() ** 2 for linear in self.covered)
            loss = loss + self.l2_lambda / (2 * len(labels)) * squares
            loss.backward()
            self.optimizer.step()
            total += loss.item()
        return total / len(self.train_loader)

    @torch.no_grad()
    def evaluate(self) -> float:
        """Return the accuracy on the test images."""
        self.model.eval()
        right = 0
        for inputs, labels in self.test_loader:
            right += int((self.model(inputs.to(self.device)).argmax(1) == labels.to(self.device)).sum())
        return right / len(self.test_loader.dataset)  # type: ignore[arg-type]
