"""Train a network. Knows settings, data and events; no file, no screen, no thread."""

from __future__ import annotations

import copy
import gc
import math
from collections.abc import Callable, Generator, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.averaging import AveragedWeights
from core.backpropagation import backpropagate
from core.control import Control
from core.data.batches import Plan, TrainingBatches, split_validation
from core.data.catalog import class_type
from core.data.dataset import Dataset, ImageSet
from core.data.normalize import make_normalizer
from core.device import (
    available_memory,
    choose_device,
    device_errors_explained,
    less_memory,
    matmul_precision,
)
from core.early_stopping import best_epoch, epochs_without_improvement
from core.epoch import Epoch
from core.errors import DivergedError, StateError, TrainingError
from core.events import BestBy, EpochFinished, Outcome, Progress, Status, TrainerEvent
from core.gpu_steps import GpuSteps, makes_graphs
from core.heap import freed_memory_kept
from core.inference import DeadUnits, cross_entropies, logits_of, mean_of_batch_means
from core.model import Mlp
from core.optimizer import PenalizedOptimizer
from core.randomness import epoch_key
from core.schedule import learning_rate_at
from core.settings import Settings, change_settings
from core.size import size_of
from core.stepping import Clock, steps_of
from core.tensors import check_tensors
from core.text import printable


class Trainer:
    """One network and its training.

    Attributes:
        settings: The trial's settings.
        device: Where it is trained.
        model: The network, on the device.
        averaged: The moving average of its weights; None where that is off.
        classes: Number of classes.
        normalize: Turns bytes into the network's inputs.
        batches: The training set.
        best_by: What decides which epoch is the best.
        history: The complete epochs.
    """

    def __init__(self, settings: Settings, data: Dataset) -> None:
        """Prepare a training: check that it can work, move the data to the device, draw the first weights.

        Raises:
            TrainingError: There is no such device, too little memory, or a batch of one image under batch norm.
            DataError: Normalization or validation split do not suit the data.
        """
        self.settings = settings
        self.device = choose_device(settings.training)
        check_memory(settings, data, self.device)
        self._advice = lambda: less_memory(settings, data.shape, self.device)
        with device_errors_explained(self._advice):
            self._prepare(settings, data)

    def _prepare(self, settings: Settings, data: Dataset) -> None:
        """Move the data to the device and draw the first weights."""
        kept: Tensor | None = None
        self._validation: ImageSet | None = None
        if settings.data.validation_split:
            kept, aside = split_validation(data.train.labels, settings.data.validation_split)
            self._validation = self._resident(ImageSet(data.train.images[aside], data.train.labels[aside]))
        self.normalize = make_normalizer(settings.data, data.train, kept, self.device)
        self.classes = len(data.classes)
        self.batches = TrainingBatches(data, kept, settings, self.normalize, self.device)
        _check_last_batch(settings, self.batches.images)
        self._test = self._resident(data.test)
        self.best_by: BestBy = "test cost" if self._validation is None else "validation cost"
        self._begin(data.shape.image.values)

    def _begin(self, inputs: int) -> None:
        """Draw the first weights."""
        training = self.settings.training
        self.history: list[Epoch] = []
        self.model = Mlp(self.settings.model, inputs, self.classes, training.seed).to(self.device)
        self.averaged = AveragedWeights(self.model, training.ema_decay) if training.ema_decay else None
        self.optimizer = PenalizedOptimizer(self.model, training)
        self._sums = torch.zeros(3, dtype=torch.float64, device=self.device)  # what `step` returns
        self._gpu: GpuSteps | None = None

    def reseeded(self, seed: int) -> Trainer:
        """Return another training, from its beginning, that differs in its seed alone; both share the images."""
        other = copy.copy(self)
        other.settings = change_settings(self.settings, {"training.seed": seed})
        other.batches = self.batches.reseeded(seed)
        other._begin(self.model.linear(1).in_features)
        return other

    @property
    def evaluated(self) -> Mlp:
        """The network that is evaluated and saved: the one that is trained, or the one with its averaged weights."""
        return self.model if self.averaged is None else self.averaged.model

    @property
    def test_images(self) -> int:
        """Images of the test set."""
        return len(self._test)

    def state(self) -> dict[str, Tensor]:
        """Return all that a training goes on with after a complete epoch, but its settings and its history.

        Order, augmentation and dropout need no state: they depend on the seed and the epoch alone. These are the living
        tensors: copy or write them before the next step.
        """
        parts = {"model": dict(self.model.state_dict()), "optimizer": self.optimizer.state()}
        if self.averaged is not None:
            parts["averaged"] = self.averaged.state()
        return {f"{part}.{name}": tensor for part, tensors in parts.items() for name, tensor in tensors.items()}

    def restore(self, state: Mapping[str, Tensor], history: Sequence[Epoch]) -> None:
        """Go on after the last epoch of a history, with what `state` returned then.

        On the same device, processor, version of PyTorch and number of threads the next epochs are bitwise those of a
        training that was never interrupted. A state without the optimizer's part lets the optimizer begin anew.

        Raises:
            StateError: The state does not fit the network, its optimizer, or whether its weights are averaged.
        """
        parts: dict[str, dict[str, Tensor]] = {"model": {}, "optimizer": {}}
        if self.averaged is not None:
            parts["averaged"] = {}
        for name, tensor in state.items():
            part, _, rest = name.partition(".")
            if part not in parts:
                raise StateError(f"{printable(name, 60)} is unknown to this training")
            parts[part][rest] = tensor
        check_tensors(parts["model"], {name: own.shape for name, own in self.model.state_dict().items()}, "the network")
        if parts["optimizer"]:
            self.optimizer.load_state(parts["optimizer"])
        if self.averaged is not None:
            self.averaged.load_state(parts["averaged"])
        self.model.load_state_dict(parts["model"])
        self.history = list(history)
        self._gpu = None  # its graphs are of the tensors that were

    def run(self, control: Control) -> Generator[TrainerEvent, None, Outcome]:
        """Train all epochs, yielding events; the generator's return value says how it ended.

        Raises:
            DivergedError: The cost or a weight became NaN or infinite; the epoch that did it is not yielded.
            TrainingError: Memory ran out.
        """
        with freed_memory_kept():
            return (yield from self._epochs(control))

    def _epochs(self, control: Control) -> Generator[TrainerEvent, None, Outcome]:
        first = len(self.history) + 1
        for epoch in range(first, self.settings.training.epochs + 1):
            # asked before an epoch, not after one: a training that is resumed stops where it would have stopped
            early = self.early_end()
            if early is not None:
                return early
            if epoch > first and (control.finishing or control.stopping):
                return self.outcome("stopped", f"stopped after epoch {epoch - 1}")
            with device_errors_explained(self._advice):
                finished = yield from self._epoch(epoch, control)
            if finished is None:
                return self.outcome("stopped", f"stopped in epoch {epoch}")
            yield finished
        return self.outcome("finished", "")

    def early_end(self) -> Outcome | None:
        """Return how the training ends by early stopping; None if it goes on."""
        training = self.settings.training
        waited = epochs_without_improvement(self.history, training.early_stopping_min_delta)
        if not 0 < training.early_stopping_patience <= waited:
            return None
        return self.outcome("finished", f"early stopping: {self.best_by} did not improve for {waited} epochs")

    def outcome(self, status: Status, reason: str) -> Outcome:
        """Return how the training stands if it ends now, in this way and for this reason."""
        return Outcome(status, reason, self.history[-1] if self.history else None, best_epoch(self.history))

    def _resident(self, images: ImageSet) -> ImageSet:
        return ImageSet(images.images.to(self.device), images.labels.to(self.device))

    def _epoch(self, epoch: int, control: Control) -> Generator[TrainerEvent, None, EpochFinished | None]:
        """Train and evaluate one epoch; return it, or None if it was stopped."""
        clock = Clock(self.device)
        is_complete = yield from self._steps(epoch, control, clock)
        return self.complete(epoch, self._sums, clock.seconds()) if is_complete else None

    def complete(self, epoch: int, sums: Tensor, seconds: float) -> EpochFinished:
        """Evaluate what an epoch has trained, and add the epoch to the history.

        Args:
            epoch: The epoch, from 1.
            sums: What `step` returned, summed over the epoch's steps (3,).
            seconds: The time that training took.

        Raises:
            DivergedError: The cost or a weight became NaN or infinite.
        """
        clock = Clock(self.device)
        cost, cross_entropy, right = (sums / len(self.batches)).tolist()
        self._refuse_infinite(epoch, cost)
        validation_cost = validation_accuracy = None
        if self._validation is not None:
            validation_cost, validation_accuracy, _ = self._evaluate(self._validation)
        dead_units = DeadUnits(self.evaluated)
        test_cost, test_accuracy, predictions = self._evaluate(self._test, dead_units.watch)
        result = Epoch(
            epoch=epoch,
            train_cost=cost,
            train_cross_entropy=cross_entropy,
            train_accuracy=right * len(self.batches) / self.batches.images,
            test_cost=test_cost,
            test_accuracy=test_accuracy,
            validation_cost=validation_cost,
            validation_accuracy=validation_accuracy,
            learning_rate=self.learning_rate(epoch, len(self.batches) - 1),
            seconds=seconds + clock.seconds(),
            images_per_second=self.batches.images / seconds,
            dead_units=dead_units.fraction(),
        )
        self._refuse_infinite(epoch, result.best_cost + test_cost, weights=False)
        self.history.append(result)
        return EpochFinished(
            result, best_epoch(self.history) or result, self.evaluated.state_dict(), predictions, self.state()
        )

    def _steps(self, epoch: int, control: Control, clock: Clock) -> Generator[TrainerEvent, None, bool]:
        """Train all batches of an epoch; return False if it was stopped."""
        seed, plan = self.settings.training.seed, self.batches.plan(epoch)
        self.model.train()
        gpu = self._steps_on_gpu() if makes_graphs(self.device) else None
        if gpu is not None:  # before dropout begins, as the first time draws random numbers
            rates = [self.learning_rate(epoch, step) for step in range(len(self.batches))]
            sizes = gpu.epoch(plan, rates, [epoch_key(seed, epoch, "dropout")])
        self._sums.zero_()
        self.model.start_epoch(seed, epoch, self.device)

        def take(step: int, part: Plan) -> None:
            share = self.averaged.next_share() if self.averaged is not None else 0.0
            self._sum_step(part, self.learning_rate(epoch, step), share)

        def tell(steps: int) -> Progress:
            cost = float(self._sums[0]) / steps
            self._refuse_infinite(epoch, cost, weights=False)
            return self.progress(epoch, steps, cost, clock.seconds())

        if gpu is None:
            parts = plan.batches(self.settings.training.batch_size)
            return (yield from steps_of(epoch, parts, control, clock, take=take, tell=tell))
        return (yield from steps_of(epoch, sizes, control, clock, take=gpu.step, tell=tell))

    def learning_rate(self, epoch: int, step: int) -> float:
        """Return the learning rate of a step, from 0, of an epoch, from 1."""
        steps = len(self.batches)
        return learning_rate_at(self.settings.training, (epoch - 1) * steps + step, steps)

    def progress(self, epoch: int, steps: int, cost: float, seconds: float) -> Progress:
        """Return how far an epoch is after some steps, their mean cost, and the seconds that they took."""
        images = min(steps * self.settings.training.batch_size, self.batches.images)
        rate = self.learning_rate(epoch, steps - 1)
        return Progress(epoch, steps, len(self.batches), cost, images / seconds, rate)

    def prepare_steps(self) -> None:
        """Do beforehand what the first epoch on a GPU would do first: compile kernels and capture graphs."""
        if makes_graphs(self.device):
            rates = [self.learning_rate(1, step) for step in range(len(self.batches))]
            self._steps_on_gpu().epoch(self.batches.plan(1), rates, [0])

    def _steps_on_gpu(self) -> GpuSteps:
        """Return what makes steps that are CUDA graphs."""
        if self._gpu is None:
            self._gpu = GpuSteps(
                self.settings,
                self.model,
                self.optimizer,
                self.averaged,
                self.batches,
                self._sums,
                plain=self._sum_step,
                generators=[self.model.dropout_generator(self.device)],
            )
        return self._gpu

    def _sum_step(self, part: Plan, learning_rate: float | Tensor, share: float | Tensor) -> None:
        """Make a batch and train on it, adding up what `step` returns."""
        self._sums += self.step(*self.batches.make(part), learning_rate, share)

    def step(
        self, inputs: Tensor, targets: Tensor, learning_rate: float | Tensor, share: float | Tensor = 0.0
    ) -> Tensor:
        """Change the weights, and their average where there is one, by one batch.

        Args:
            inputs: (m, values), float32.
            targets: Labels (m,), int64, or the classes' shares (m, classes), float32.
            learning_rate: The step's learning rate; as a tensor () on the device, it is read there in every step.
            share: The share of the new weights in their average, as `AveragedWeights.update` takes it.

        Returns:
            Cost, cross-entropy (its part without the penalty) and number of right answers, (3,) float64, on the device
            and before the weights are changed. Right is the class with the largest share.
        """
        training = self.settings.training
        with matmul_precision(training, self.device, autocast=False):
            dtype = torch.bfloat16 if training.precision == "bfloat16" else inputs.dtype
            value, logits, gradients = backpropagate(self.model, inputs, targets, training.label_smoothing, dtype)
        cost = value + self.optimizer.penalty(len(targets))
        self.optimizer.step(gradients, len(targets), learning_rate)
        if self.averaged is not None:
            self.averaged.update(share)
        labels = targets if targets.dim() == 1 else targets.argmax(1)
        right = (logits.argmax(1) == labels).sum()
        return torch.stack((cost.double(), value.double(), right.double()))

    def _evaluate(
        self, images: ImageSet, watch: Callable[[int, Tensor], object] | None = None
    ) -> tuple[float, float, NDArray[np.uint8 | np.uint16]]:
        """Return cost, accuracy and predicted classes; `watch` sees the hidden layers, as in `Mlp.forward`."""
        logits = logits_of(self.evaluated, images.images, self.normalize, watch)
        cost = mean_of_batch_means(cross_entropies(logits, images.labels), self.settings.training.batch_size)
        predicted = logits.argmax(1)
        accuracy = int((predicted == images.labels).sum()) / len(images)
        return cost, accuracy, predicted.cpu().numpy().astype(class_type(self.classes))

    def _refuse_infinite(self, epoch: int, cost: float, weights: bool = True) -> None:
        """Raise if the cost or, unless told not to look at them, a weight or its average is NaN or infinite."""
        bad = "" if math.isfinite(cost) else "the cost"
        if not bad and weights:
            tensors = dict(self.model.state_dict())
            if self.averaged is not None:
                averages = self.averaged.model.state_dict()
                tensors |= {f"the average of {name}": tensor for name, tensor in averages.items()}
            numbers = {name: tensor for name, tensor in tensors.items() if tensor.is_floating_point()}
            largest = torch.stack(torch._foreach_norm(list(numbers.values()), math.inf)).tolist()  # one wait for a GPU
            bad = next((name for name, each in zip(numbers, largest, strict=True) if not math.isfinite(each)), "")
        if bad:
            raise DivergedError(
                f"{bad} became NaN or infinite in epoch {epoch}, which is not kept; "
                f"a smaller learning rate than {self.settings.training.learning_rate:g} may help"
            )


def check_memory(settings: Settings, data: Dataset, device: torch.device, copies: int = 1) -> None:
    """Check that there is enough memory to train so many copies of a network at once.

    Raises:
        TrainingError: There is not.
    """
    needed = size_of(settings, data.shape, on_gpu=device.type == "cuda").memory.of_copies(copies)
    available = available_memory(device)
    if needed > available and device.type == "cuda":  # what ended trainings still hold is counted as taken
        gc.collect()
        torch.cuda.empty_cache()
        available = available_memory(device)
    if needed > available:
        raise TrainingError(
            f"training needs about {needed / 1e9:,.1f} GB of memory, but only {available / 1e9:,.1f} GB are available: "
            + less_memory(settings, data.shape, device)
        )


def _check_last_batch(settings: Settings, images: int) -> None:
    batch_size = settings.training.batch_size
    if _leaves_one(images, batch_size) and any(layer.batch_norm for layer in settings.model.hidden):
        possible = next((size for size in range(batch_size + 1, images) if not _leaves_one(images, size)), images)
        raise TrainingError(
            f"training.batch_size: with {batch_size}, a batch of the {images:,} training images would hold a single "
            f"image, which batch norm cannot normalize; {possible} is the next possible size"
        )


def _leaves_one(images: int, batch_size: int) -> bool:
    return batch_size == 1 or images % batch_size == 1
