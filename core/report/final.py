"""The final network of a report: its layers, its settings, and its evaluation from the stored predictions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.accuracy import accuracy_interval
from core.errors import TrialError
from core.report.values import ClassRow, Evaluated
from core.settings import FIELDS, Settings, show_value
from core.trials.trial import Trial

TOLD_CONFUSIONS = 20
_LAYER = "model.hidden.*."


def layers_of(settings: Settings, values: int, classes: int) -> tuple[tuple[str, ...], ...]:
    """Return the network as a table: its heads, a row per hidden block, and the output layer.

    Args:
        settings: The settings.
        values: Input values of an image.
        classes: Outputs.
    """
    fields = [path.removeprefix(_LAYER) for path in FIELDS if path.startswith(_LAYER)]
    others = [name for name in fields if name != "width"]
    rows = [("layer", "inputs", "neurons", *(FIELDS[_LAYER + name].label for name in others), "parameters")]
    before = values
    for number, layer in enumerate(settings.model.hidden, 1):
        trained = before * layer.width + layer.width + 2 * layer.width * layer.batch_norm
        shown = (show_value(getattr(layer, name)) for name in others)
        rows.append((str(number), f"{before:,}", f"{layer.width:,}", *shown, f"{trained:,}"))
        before = layer.width
    output = settings.model.output
    shown = (show_value(getattr(output, name)) if hasattr(output, name) else "" for name in others)
    rows.append(("output", f"{before:,}", f"{classes:,}", *shown, f"{before * classes + classes:,}"))
    return tuple(rows)


def settings_lines(settings: Settings, source: str) -> tuple[tuple[str, str], ...]:
    """Return label and value of every setting that is not a layer's.

    Args:
        settings: The settings.
        source: What to call the data: a folder's path on somebody's machine tells others nothing.
    """
    lines = []
    for path, field in FIELDS.items():
        if path.startswith(("model.hidden.", "model.output.")):
            continue
        value: Any = settings
        for name in path.split("."):
            value = getattr(value, name)
        shown = source if path == "data.source" else show_value(value)
        lines.append((field.label, f"{shown} {field.unit}".rstrip() if field.kind in (int, float) else shown))
    return tuple(lines)


def evaluated(trial: Trial, epoch: int, data: Mapping[str, Any]) -> Evaluated:
    """Evaluate a trial at an epoch without its data set, from its stored labels and predictions.

    Args:
        trial: The trial.
        epoch: The epoch.
        data: What the trial tells of its data.

    Raises:
        TrialError: A file cannot be read, or does not fit the classes.
    """
    import numpy as np  # noqa: PLC0415 - nothing else of a report needs it

    names = [str(name) for name in data["classes"]]
    labels, predicted = trial.test_labels().astype(np.int64), trial.predictions(epoch).astype(np.int64)
    count = len(names)
    if not len(labels) or max(labels.max(), predicted.max()) >= count:
        raise TrialError(f"{trial.directory}: its predictions do not belong to its {count} classes")
    matrix = np.bincount(labels * count + predicted, minlength=count * count).reshape(count, count)
    right = int(matrix.trace())
    rows = tuple(
        ClassRow(
            name,
            int(matrix[at].sum()),
            _share(matrix[at, at], matrix[at].sum()),
            _share(matrix[at, at], matrix[:, at].sum()),
        )
        for at, name in enumerate(names)
    )
    wrong = matrix - np.diag(matrix.diagonal())
    order = np.argsort(-wrong, axis=None, kind="stable")[:TOLD_CONFUSIONS]
    confusions = [(names[at // count], names[at % count], int(wrong.flat[at])) for at in order if wrong.flat[at]]
    return Evaluated(
        len(labels),
        right,
        accuracy_interval(right, len(labels)),
        rows,
        tuple(tuple(int(cell) for cell in row) for row in matrix),
        tuple(confusions),
    )


def _share(part: Any, whole: Any) -> float | None:
    return float(part) / float(whole) if whole else None
