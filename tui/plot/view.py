"""What of the curves is shown, and how keys and wheel change it: plain values, so that a view can be kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

Quantity = Literal["cost", "accuracy"]

SMOOTHINGS = (0.0, 0.6, 0.9)
"""The weights of the past that one key goes through: off, some, much."""

SHORTEST = 4
"""The fewest epochs that a window shows."""

_MOST_EPOCHS = 10**9


@dataclass(frozen=True, slots=True)
class View:
    """How the curves are shown.

    Attributes:
        quantity: "cost" or "accuracy".
        penalty: Whether the train cost includes the L2 penalty.
        log: Whether the cost's axis is logarithmic.
        smoothing: Weight of the past in the moving average, one of `SMOOTHINGS`; 0.0: not smoothed.
        parent: Whether the parent trial is drawn too.
        first: First epoch of the window; None: the first there is.
        last: Last epoch of the window; None: the last there is, planned epochs included.
        crosshair: The epoch whose values are read; None: the last one, as it comes.
    """

    quantity: Quantity = "cost"
    penalty: bool = True
    log: bool = False
    smoothing: float = 0.0
    parent: bool = True
    first: int | None = None
    last: int | None = None
    crosshair: int | None = None

    @property
    def is_log(self) -> bool:
        """Whether the axis is logarithmic: an accuracy's never is."""
        return self.log and self.quantity == "cost"

    def to_dict(self) -> dict[str, Any]:
        """Return the view as values that JSON has."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: object) -> View:
        """Return the view that `to_dict` gave; what is missing or makes no sense is as it is by default."""
        if not isinstance(values, Mapping):
            return cls()
        smoothing = values.get("smoothing")
        first, last = _epoch(values.get("first")), _epoch(values.get("last"))
        if first is None or last is None or first >= last:
            first = last = None
        return cls(
            quantity="accuracy" if values.get("quantity") == "accuracy" else "cost",
            penalty=values.get("penalty") is not False,
            log=values.get("log") is True,
            smoothing=next((weight for weight in SMOOTHINGS if smoothing == weight), 0.0),
            parent=values.get("parent") is not False,
            first=first,
            last=last,
            crosshair=_epoch(values.get("crosshair")),
        )

    def window(self, extent: int) -> tuple[int, int]:
        """Return the first and last epoch that are shown, where there are epochs 1 to `extent`."""
        if self.first is None or self.last is None:
            return 1, max(1, extent)
        span = min(self.last - self.first, extent - 1)
        first = max(1, min(self.first, extent - span))
        return first, first + max(0, span)

    def with_window(self, first: int, span: int, extent: int) -> View:
        """Return the view with a window of `span` + 1 epochs, moved into epochs 1 to `extent` and cut to them."""
        if span >= extent - 1:
            return replace(self, first=None, last=None)
        first = max(1, min(first, extent - span))
        return replace(self, first=first, last=first + span)

    def zoomed(self, closer: bool, around: int, extent: int) -> View:
        """Return the view with half or twice as many epochs; the epoch `around` keeps its place if it can."""
        first, last = self.window(extent)
        span = last - first
        wanted = max(SHORTEST - 1, round(span / 2)) if closer else max(span * 2, SHORTEST - 1)
        if closer and wanted >= span:
            return self
        around = max(first, min(around, last))
        share = (around - first) / span if span else 0.5
        return self.with_window(round(around - share * wanted), wanted, extent)

    def panned(self, steps: int, extent: int) -> View:
        """Return the view with its window moved by quarters of itself, to later epochs where `steps` is positive."""
        first, last = self.window(extent)
        span = last - first
        return self.with_window(first + steps * max(1, round(span / 4)), span, extent)

    def with_crosshair(self, epoch: int | None, extent: int) -> View:
        """Return the view with its crosshair at an epoch, and the window moved so that it shows it."""
        view = replace(self, crosshair=epoch)
        first, last = self.window(extent)
        if epoch is None or self.first is None or first <= epoch <= last:
            return view
        return view.with_window(epoch if epoch < first else epoch - (last - first), last - first, extent)


def _epoch(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < _MOST_EPOCHS else None
