"""What a training tells whoever listens. Values only: no text is formatted here.

Trials that are trained together tell one after the other what each has to tell, with its id; `Progress`, `Paused` and
`Resumed` are about the epoch that they share.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from core.epoch import Epoch

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from core.trials.trial import Trial
    from core.trials.writer import Unsaved
    from core.verdict import Verdict

Status = Literal["finished", "stopped", "failed"]
BestBy = Literal["validation cost", "test cost"]


@dataclass(frozen=True, slots=True)
class Started:
    """The trial has a directory and its training begins.

    Attributes:
        trial: The saved trial.
        device: "cpu", or the GPU's name.
        parameters: Trained numbers of the network.
        epochs: Epochs that are asked for.
        steps: Training steps in an epoch.
        images: Training images in an epoch.
        test_images: Images of the test set.
        best_by: What decides which epoch is the best.
        history: The epochs that are complete already, of a training that is resumed or branched off another.
        remarks: What is not as it was when these were trained, so that the rest may differ.
        together: The trials that are trained at the same time, this one among them; the others' `Started` come with it.
    """

    trial: Trial
    device: str
    parameters: int
    epochs: int
    steps: int
    images: int
    test_images: int
    best_by: BestBy
    history: tuple[Epoch, ...] = ()
    remarks: tuple[str, ...] = ()
    together: int = 1


@dataclass(frozen=True, slots=True)
class Progress:
    """Some steps of an epoch are done; at most ten a second are told.

    Attributes:
        epoch: The epoch, from 1.
        step: Steps done in this epoch.
        steps: Training steps in an epoch.
        cost: Mean cost of the epoch's batches so far; of trials that are trained together, the mean of theirs.
        images_per_second: Training images per second in this epoch so far, of all trials that are trained together.
        learning_rate: That of the last step.
    """

    epoch: int
    step: int
    steps: int
    cost: float
    images_per_second: float
    learning_rate: float


@dataclass(frozen=True, slots=True)
class Paused:
    """The training waits before its next step; taking the next event waits with it."""

    epoch: int
    step: int


@dataclass(frozen=True, slots=True)
class Resumed:
    """A paused training goes on."""

    epoch: int
    step: int


@dataclass(frozen=True, slots=True)
class EpochFinished:
    """An epoch is complete.

    Attributes:
        result: Its figures.
        best: The epoch with the lowest cost so far, which may be this one.
        weights: The state_dict, of the averaged weights where there are any. These are the living tensors: copy or
            use them before taking the next event.
        predictions: Predicted class of every test image (N,), uint8, or uint16 with more than 256 classes.
        state: What the training can go on with, as `core.trainer.Trainer.state` returns it. Living tensors, too.
        trial: The trial's id; "" where it is not saved.
    """

    result: Epoch
    best: Epoch
    weights: Mapping[str, Tensor]
    predictions: NDArray[np.uint8 | np.uint16]
    state: Mapping[str, Tensor]
    trial: str = ""

    @property
    def is_best(self) -> bool:
        """Whether this epoch has the lowest cost so far."""
        return self.best.epoch == self.result.epoch


@dataclass(frozen=True, slots=True)
class Saved:
    """All epochs up to this one are on the disk.

    Attributes:
        epoch: The epoch, from 1.
        trial: The trial's id.
    """

    epoch: int
    trial: str


@dataclass(frozen=True, slots=True)
class NotSaved:
    """An epoch could not be written. The training goes on in memory, and every later epoch tries to make up for it.

    Attributes:
        epoch: The epoch, from 1.
        reason: Why not.
        trial: The trial's id.
    """

    epoch: int
    reason: str
    trial: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a training ended.

    Attributes:
        status: "finished" with all epochs or by early stopping, "stopped" on request, "failed".
        reason: Why it ended before its last epoch; "" if it did not.
        last: The last complete epoch, or None.
        best: The epoch with the lowest cost, or None.
    """

    status: Status
    reason: str
    last: Epoch | None
    best: Epoch | None


@dataclass(frozen=True, slots=True)
class Finished:
    """The training has ended and the trial's files are complete, but for what is `unsaved`.

    After one that has failed the error is raised, unless other trainings go on.

    Attributes:
        trial: The saved trial.
        outcome: How it ended.
        model: The weights of the last epoch; None if there is no complete epoch.
        verdict: How the last epoch compares with the parent trial's on the same test images; None where there is no
            such trial.
        unsaved: What could not be written to the trial's directory and can be saved elsewhere; None if all could.
    """

    trial: Trial
    outcome: Outcome
    model: Path | None
    verdict: Verdict | None = None
    unsaved: Unsaved | None = None


Event = Started | Progress | Paused | Resumed | EpochFinished | Saved | NotSaved | Finished
TrainerEvent = Progress | Paused | Resumed | EpochFinished
