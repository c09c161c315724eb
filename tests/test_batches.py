"""Batches: an epoch's order and augmentation are a function of seed and epoch, and whole batches match torchvision."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torchvision.transforms import functional as vision

from core.data.batches import TrainingBatches, crop, split_validation
from core.data.dataset import Dataset, ImageSet
from core.data.normalize import CIFAR10_MEAN, CIFAR10_STD, Normalizer, make_normalizer, measure
from core.errors import DataError
from core.randomness import seed_generator
from core.settings import DataSettings, Settings, change_settings

CPU = torch.device("cpu")


def random_images(count: int, channels: int = 3, side: int = 6) -> ImageSet:
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (count, channels, side, side), generator=generator, dtype=torch.uint8)
    return ImageSet(images, torch.arange(count) % 3)


def batches_of(images: ImageSet, kept: torch.Tensor | None = None, **changes: object) -> TrainingBatches:
    names = {
        "crop_padding": "data",
        "horizontal_flip": "data",
        "mixup": "data",
        "batch_size": "training",
        "seed": "training",
    }
    settings = change_settings(Settings(), {f"{names[name]}.{name}": value for name, value in changes.items()})
    classes = tuple(str(label) for label in range(int(images.labels.max()) + 1))
    data = Dataset("", classes, images, images, "")
    return TrainingBatches(data, kept, settings, Normalizer((), ()), CPU)


def test_every_image_comes_once_and_the_smaller_last_batch_is_kept() -> None:
    images = ImageSet(torch.arange(50, dtype=torch.uint8).view(50, 1, 1, 1), torch.arange(50))
    batches = batches_of(images, batch_size=16)
    sizes = [len(labels) for _, labels in batches.epoch(1)]
    assert sizes == [16, 16, 16, 2]
    assert len(batches) == 4
    values = torch.cat([inputs for inputs, _ in batches.epoch(1)]).flatten() * 255
    labels = torch.cat([labels for _, labels in batches.epoch(1)])
    assert torch.equal(values.round().long(), labels)
    assert sorted(labels.tolist()) == list(range(50))


def test_order_and_augmentation_depend_on_seed_and_epoch_alone() -> None:
    images = random_images(40)

    def epoch(number: int, seed: int = 0) -> torch.Tensor:
        torch.manual_seed(number * 7 + seed)  # must not matter
        batches = batches_of(images, seed=seed, batch_size=7, crop_padding=2, horizontal_flip=True)
        if number == 3:
            list(batches.epoch(1))  # nor what was drawn before
        return torch.cat([inputs for inputs, _ in batches.epoch(number)])

    assert torch.equal(epoch(3), epoch(3))
    assert not torch.equal(epoch(3), epoch(4))
    assert not torch.equal(epoch(3), epoch(3, seed=1))


def test_streams_of_random_numbers_differ_by_purpose() -> None:
    drawn = {
        tuple(torch.rand(4, generator=seed_generator(torch.Generator(), seed, epoch, purpose)).tolist())
        for seed in (0, 1, 2**32 - 1)
        for epoch in (1, 2)
        for purpose in ("order", "augmentation", "dropout")
    }
    assert len(drawn) == 18


def test_a_crop_is_torchvisions_crop_of_the_padded_image() -> None:
    images = random_images(20).images
    shifts = torch.randint(0, 7, (20, 2), generator=torch.Generator().manual_seed(3))
    cropped = crop(images, shifts, 3)
    for image, (row, column), got in zip(images, shifts.tolist(), cropped, strict=True):
        padded = vision.pad(image, [3, 3, 3, 3])
        assert torch.equal(vision.crop(padded, row, column, 6, 6), got)


def test_half_of_the_images_are_mirrored() -> None:
    images = random_images(400)
    plain = torch.cat([inputs for inputs, _ in batches_of(images).epoch(1)]).view(-1, 3, 6, 6)
    flipped = torch.cat([inputs for inputs, _ in batches_of(images, horizontal_flip=True).epoch(1)]).view(-1, 3, 6, 6)
    mirrored = [torch.equal(vision.hflip(a), b) for a, b in zip(plain, flipped, strict=True)]
    same = [torch.equal(a, b) for a, b in zip(plain, flipped, strict=True)]
    assert [a != b for a, b in zip(mirrored, same, strict=True)] == [True] * 400
    assert 160 < sum(mirrored) < 240


def test_inputs_are_those_of_totensor_and_normalize() -> None:
    images = random_images(5).images
    normalize = make_normalizer(DataSettings(normalization="cifar10"), ImageSet(images, torch.zeros(5)), None)
    for image, got in zip(images, normalize(images), strict=True):
        tensor = vision.to_tensor(np.ascontiguousarray(image.permute(1, 2, 0).numpy()))
        assert torch.equal(vision.normalize(tensor, CIFAR10_MEAN, CIFAR10_STD).flatten(), got)


def test_measured_normalization_measures_what_is_trained_on() -> None:
    images = random_images(30)
    mean, std = measure(images.images)
    values = images.images.double() / 255
    assert mean == pytest.approx(values.mean((0, 2, 3)).tolist())
    assert std == pytest.approx(values.std((0, 2, 3), correction=0).tolist())
    kept = torch.arange(10)
    normalize = make_normalizer(DataSettings(normalization="measured"), images, kept)
    assert normalize.mean == measure(images.images[:10])[0]
    inputs = normalize(images.images[:10]).view(10, 3, -1)
    assert inputs.mean((0, 2)).abs().max() < 1e-6


def test_a_channel_without_contrast_can_be_measured() -> None:
    assert measure(torch.full((4, 1, 2, 2), 255, dtype=torch.uint8)) == ((1.0,), (1.0,))


def test_normalization_for_other_channels_is_refused(digits: Dataset) -> None:
    with pytest.raises(DataError, match="normalization cifar10 is for 3 channels, but the images have 1"):
        make_normalizer(DataSettings(normalization="cifar10"), digits.train, None)


def test_the_validation_split_is_stratified_and_the_same_for_every_seed(digits: Dataset) -> None:
    kept, aside = split_validation(digits.train.labels, 0.2)
    assert sorted(torch.cat((kept, aside)).tolist()) == list(range(len(digits.train)))
    whole, part = torch.bincount(digits.train.labels), torch.bincount(digits.train.labels[aside])
    assert (part / whole - 0.2).abs().max() < 0.01
    again, _ = split_validation(digits.train.labels, 0.2)
    assert torch.equal(kept, again)
    seen = torch.cat([labels for _, labels in batches_of(digits.train, kept).epoch(1)])
    assert torch.equal(seen.bincount(), digits.train.labels[kept].bincount())


def test_a_split_that_cannot_be_made_is_one_line() -> None:
    with pytest.raises(DataError, match="validation_split 0.5 of 4 images leaves a class without"):
        split_validation(torch.tensor([0, 1, 1, 1]), 0.5)


def test_mixup_mixes_pairs_of_a_batch_with_shares_that_depend_on_seed_and_epoch_alone() -> None:
    images = random_images(600, side=2)
    plain = list(batches_of(images, batch_size=100).epoch(2))
    mixed = list(batches_of(images, batch_size=100, mixup=0.4).epoch(2))
    again = list(batches_of(images, batch_size=100, mixup=0.4).epoch(2))
    other = list(batches_of(images, batch_size=100, mixup=0.4).epoch(3))
    shares = []
    for (inputs, labels), (mixture, targets), (repeated, _) in zip(plain, mixed, again, strict=True):
        assert torch.equal(mixture, repeated)
        assert targets.shape == (100, 3)
        assert torch.allclose(targets.sum(1), torch.ones(100))
        own, partner = torch.arange(100), 99 - torch.arange(100)
        differ = labels != labels[partner]
        assert torch.equal(targets[~differ].argmax(1), labels[~differ])
        share = targets[own, labels][differ]
        assert torch.all(share >= 0.5)
        expected = share[:, None] * inputs[differ] + (1 - share[:, None]) * inputs[partner][differ]
        assert torch.allclose(mixture[differ], expected, atol=1e-6)
        shares.append(share)
    drawn = np.random.default_rng(0).beta(0.4, 0.4, 100_000)
    expected_mean = np.maximum(drawn, 1 - drawn).mean()  # 0.86
    assert abs(float(torch.cat(shares).mean()) - expected_mean) < 0.03
    assert not torch.equal(other[0][1], mixed[0][1])
