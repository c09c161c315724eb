"""The figures of one epoch of training."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Epoch:
    """The figures of one epoch: a line of the history.

    With weight averaging, what is measured on test and validation images is that of the averaged weights.

    Attributes:
        epoch: Its number, from 1.
        train_cost: Mean over the batches of cross-entropy plus L2 penalty, dropout on.
        train_cross_entropy: The same without the penalty (label smoothing included, where it is on).
        train_accuracy: Fraction of the training images classified rightly in their training step, dropout on.
        test_cost: Mean over the test batches of the cross-entropy, in evaluation mode, without penalty.
        test_accuracy: Fraction of the test images classified rightly.
        validation_cost: As `test_cost`, on the validation images; None without a validation split.
        validation_accuracy: As `test_accuracy`, on the validation images; None without a validation split.
        learning_rate: That of the epoch's last step.
        seconds: Time for training and evaluation, pauses not counted. Of the time in which several trials are trained
            in the same steps each has an equal share.
        images_per_second: Training images per second of training, evaluation not counted; of trials that are trained
            together, the images of all of them.
        dead_units: Fraction of the hidden units with a ReLU whose output is zero for every test image, in evaluation
            mode; None without such units, and in histories that were written before it was measured.
    """

    epoch: int
    train_cost: float
    train_cross_entropy: float
    train_accuracy: float
    test_cost: float
    test_accuracy: float
    validation_cost: float | None
    validation_accuracy: float | None
    learning_rate: float
    seconds: float
    images_per_second: float
    dead_units: float | None = None

    @property
    def best_cost(self) -> float:
        """The cost by which the best epoch is chosen: on the validation images if there are any, or the test's."""
        return self.test_cost if self.validation_cost is None else self.validation_cost

    @property
    def gap(self) -> float:
        """By how much the test cost is above the train cross-entropy, both without penalty: what is overfitted."""
        return self.test_cost - self.train_cross_entropy
