"""Say in seconds whether settings can work, without leaving a trace in any trial or random number."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import time
from dataclasses import dataclass
from typing import Literal

import torch

from core.backpropagation import Backpropagated, backpropagate
from core.control import Control
from core.data.dataset import Dataset, ImageSet
from core.data.folder import OnProgress, ignore
from core.device import available_memory, choose_device, synchronize
from core.errors import DataError, DivergedError, TrainingError
from core.events import EpochFinished, Progress
from core.gpu_steps import makes_graphs
from core.inference import logits_of
from core.model import Mlp
from core.settings import Settings, change_settings
from core.size import size_of
from core.text import counted
from core.trainer import Trainer

NEAR = 0.5  # how far the first cost may be from ln(classes)
OVERFIT_IMAGES = 64
OVERFIT_ACCURACY = 0.95
OVERFIT_STEPS = 300
OVERFIT_SECONDS = 8.0  # at most; a slow machine is no fault of the settings
HARDLY = 0.95  # a cost that has not fallen below this part of the first has not moved
SECONDS = 2.5  # at most, for timing
TIMED_IMAGES = 2_000
TIGHT = 0.8  # of the available memory
_FAINT = 1e-7
_MINUTES_FROM, _HOURS_FROM = 120, 7200  # seconds

Severity = Literal["ok", "warning", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was checked.

    Attributes:
        subject: What was checked: "memory", "batch size", "first cost", "gradients", "one batch", "time" or "start".
        severity: "problem": the training will not work; "warning": it may not.
        text: The finding in one plain sentence.
        values: Its numbers: bytes, costs, seconds.
    """

    subject: str
    severity: Severity
    text: str
    values: dict[str, float]


def check(settings: Settings, data: Dataset, on_progress: OnProgress = ignore) -> list[Finding]:
    """Check whether settings can work on a data set.

    Args:
        settings: What would be trained.
        data: What it would be trained on.
        on_progress: Told before every part and step; what it raises ends the check.

    Returns:
        The findings. A training that cannot even start is a finding too.
    """
    try:
        device = choose_device(settings.training)
        memory = _memory(settings, data, device)
        if memory.severity == "problem":
            return [memory]
        on_progress("trying the first batch", 0, 0)
        trainer = Trainer(settings, data)
        first = _first_batch(trainer)
        findings = [memory, *_batch_size(trainer), _first_cost(first, trainer.classes)]
        findings += [_gradients(first, trainer.model), _one_batch(settings, data, on_progress)]
        on_progress("timing an epoch", 0, 0)
        findings.append(_time(trainer, data))
    except (DataError, TrainingError) as error:
        return [Finding("start", "problem", str(error), {})]
    return findings


def _memory(settings: Settings, data: Dataset, device: torch.device) -> Finding:
    needed = size_of(settings, data.shape, on_gpu=device.type == "cuda").memory.total
    available = available_memory(device)
    severity: Severity = "problem" if needed > available else "warning" if needed > TIGHT * available else "ok"
    text = f"training needs about {_size(needed)}; {_size(available)} are available"
    return Finding("memory", severity, text, {"needed_bytes": needed, "available_bytes": available})


def _batch_size(trainer: Trainer) -> list[Finding]:
    """Return a warning where a batch would hold more images than there are; nothing else is worth a line."""
    size, images = trainer.settings.training.batch_size, trainer.batches.images
    if size <= images:
        return []
    text = f"{size:,} is more than the {images:,} training images: an epoch is one step with all of them"
    return [Finding("batch size", "warning", text, {"batch_size": size, "images": images})]


def _first_batch(trainer: Trainer) -> Backpropagated:
    """Send the first batch through the untrained network and back, in full precision and without label smoothing."""
    inputs, labels = next(trainer.batches.epoch(1))
    trainer.model.train()
    trainer.model.start_epoch(trainer.settings.training.seed, 1, trainer.device)
    return backpropagate(trainer.model, inputs, labels, 0.0, inputs.dtype)


def _first_cost(first: Backpropagated, classes: int) -> Finding:
    """Compare the untrained network's cross-entropy with that of guessing."""
    cost, guessing = float(first.cross_entropy), math.log(classes)
    values = {"cost": cost, "ln_classes": guessing}
    compared = f"the first batch costs {cost:.3f}; guessing among {classes} classes costs {guessing:.3f}"
    if not math.isfinite(cost):
        return Finding("first cost", "problem", "the first batch's cost is NaN or infinite", values)
    if abs(cost - guessing) > NEAR:
        return Finding("first cost", "warning", f"{compared}: the inputs may need normalization", values)
    return Finding("first cost", "ok", compared, values)


def _gradients(first: Backpropagated, model: Mlp) -> Finding:
    norms = {
        name: float(first.gradients[name].norm() / parameter.detach().norm().clamp_min(1e-12))
        for name, parameter in model.named_parameters()
        if name.endswith("weight") and name.startswith("linear")
    }
    values = {f"gradient_of_{name}": norm for name, norm in norms.items()}
    none = [name for name, norm in norms.items() if norm == 0 or not math.isfinite(norm)]
    if none:
        return Finding("gradients", "problem", f"no usable gradient reaches {', '.join(none)}", values)
    name, least = min(norms.items(), key=lambda item: item[1])
    if least < _FAINT:
        text = f"hardly any gradient reaches {name}: batch norm or another activation may help"
        return Finding("gradients", "warning", text, values)
    return Finding("gradients", "ok", f"a gradient reaches every layer; it is weakest in {name}", values)


def _one_batch(settings: Settings, data: Dataset, on_progress: OnProgress) -> Finding:
    """Try to learn a few images by heart, with the trial's network, optimizer and learning rate."""
    images = min(OVERFIT_IMAGES, len(data.train))
    chosen = torch.linspace(0, len(data.train) - 1, images).long()
    few = dataclasses.replace(data, train=ImageSet(data.train.images[chosen], data.train.labels[chosen]))
    plain = change_settings(
        settings,
        {
            **({"model.hidden.*.dropout": 0.0} if settings.model.hidden else {}),
            "training.l2_lambda": 0.0,
            "training.label_smoothing": 0.0,
            "training.ema_decay": 0.0,
            "training.batch_size": images,
            "data.crop_padding": 0,
            "data.horizontal_flip": False,
            "data.mixup": 0.0,
            "data.validation_split": 0.0,
        },
    )
    trainer = Trainer(plain, few)
    trainer.model.train()
    inputs, labels = next(trainer.batches.epoch(1))
    start = time.monotonic()
    first: float | None = None
    cost = accuracy = 0.0
    step = 0
    while accuracy < OVERFIT_ACCURACY and step < OVERFIT_STEPS and time.monotonic() - start < OVERFIT_SECONDS:
        on_progress(f"learning {counted(images, 'image')} by heart", step, OVERFIT_STEPS)
        cost, _, right = trainer.step(inputs, labels, settings.training.learning_rate).tolist()
        first, accuracy, step = cost if first is None else first, right / images, step + 1
    first = cost if first is None else first
    values = {"steps": step, "first_cost": first, "last_cost": cost, "accuracy": accuracy}
    told = f"{counted(images, 'image')}: {accuracy:.0%} right after {counted(step, 'step')}, "
    told += f"cost {first:.3f} -> {cost:.3f}"
    if not math.isfinite(cost):
        return Finding("one batch", "problem", f"{told}: the learning rate is too high", values)
    if accuracy >= OVERFIT_ACCURACY:
        return Finding("one batch", "ok", f"the network can learn {told}", values)
    if cost > HARDLY * first:
        return Finding("one batch", "problem", f"the network does not learn {told}: try another learning rate", values)
    if step < OVERFIT_STEPS:
        return Finding("one batch", "ok", f"the network learns {told}; there was no time for more steps", values)
    slow = f"the network is slow to learn {told}: another learning rate may help"
    return Finding("one batch", "warning", slow, values)


def _time(trainer: Trainer, data: Dataset) -> Finding:
    epoch = _epoch_on_gpu(trainer) if makes_graphs(trainer.device) else _epoch_on_cpu(trainer, data)
    epochs = trainer.settings.training.epochs
    values = {"seconds_per_epoch": epoch, "seconds": epoch * epochs}
    text = f"about {_span(epoch)} per epoch, {_span(epoch * epochs)} for {counted(epochs, 'epoch')}"
    return Finding("time", "ok", text, values)


def _epoch_on_gpu(trainer: Trainer) -> float:
    """Return the seconds of an epoch, of the second if there is time; compiling and capturing are not part of it."""
    trainer.prepare_steps()
    control, begun = Control(), time.monotonic()
    seconds: float | None = None
    with contextlib.suppress(DivergedError):  # which is not a matter of time
        for event in trainer.run(control):
            if isinstance(event, Progress) and event.epoch == 1:
                seconds = trainer.batches.images / event.images_per_second
            elif isinstance(event, EpochFinished):
                seconds = event.result.seconds
                if event.result.epoch > 1:
                    control.finish_epoch()
            if time.monotonic() - begun > SECONDS:
                control.stop()
    return time.monotonic() - begun if seconds is None else seconds


def _epoch_on_cpu(trainer: Trainer, data: Dataset) -> float:
    """Return about how many seconds an epoch takes, from some of its steps and some test images."""
    start = begun = time.monotonic()
    images = 0
    for step, (inputs, labels) in enumerate(trainer.batches.epoch(1)):
        trainer.step(inputs, labels, trainer.settings.training.learning_rate)
        synchronize(trainer.device)
        if step == 0 and len(trainer.batches) > 1:
            begun = time.monotonic()  # the first step allocates
            continue
        images += len(labels)
        if time.monotonic() - start > SECONDS:
            break
    epoch = (time.monotonic() - begun) / images * trainer.batches.images
    test = data.test.images[:TIMED_IMAGES].to(trainer.device)
    start = time.monotonic()
    logits_of(trainer.evaluated, test, trainer.normalize)
    synchronize(trainer.device)
    return epoch + (time.monotonic() - start) / len(test) * len(data.test)


def _size(size: float) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{max(size / 1e6, 0.1):,.1f} MB"  # noqa: PLR2004 - units


def _span(seconds: float) -> str:
    if seconds < _MINUTES_FROM:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"  # noqa: PLR2004 - two digits are enough
    return f"{seconds / 60:.0f} min" if seconds < _HOURS_FROM else f"{seconds / 3600:.1f} h"
