"""The larger matrix products of a step, and a stream beside the current one for some of them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from core.device import side_stream


def products_of(left: Tensor, right: Tensor, out: Tensor | None = None) -> Tensor:
    """Return left (K, rows, depth) @ right (K, depth, columns), (K, rows, columns) float32, in `out` if it is given."""
    if len(left) == 1:
        return _float32(torch.mm, left[0], right[0], None if out is None else out[0])[None]
    return _float32(torch.bmm, left, right, out)


def _float32(multiply: Callable[..., Tensor], left: Tensor, right: Tensor, out: Tensor | None) -> Tensor:
    if left.dtype == torch.float32:
        return multiply(left, right, out=out)
    return multiply(left, right, out_dtype=torch.float32, out=out)


class Side:
    """A stream beside the current one: the gradients of weights are made there, while the backward pass goes on.

    What comes after the context waits for all that is beside.
    """

    def __init__(self, device: torch.device) -> None:
        """Begin with nothing beside; on a CPU all is done in turn."""
        self._stream = side_stream("gradients of weights") if device.type == "cuda" else None
        self._mark: torch.cuda.Event | None = None

    def __enter__(self) -> Side:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let what comes next wait for all that is beside."""
        if self._stream is not None and self._mark is not None:
            torch.cuda.current_stream().wait_stream(self._stream)

    def mark(self) -> None:
        """Say that the current stream has been given what something beside it is to wait for."""
        if self._stream is not None:
            self._mark = torch.cuda.current_stream().record_event()

    @contextlib.contextmanager
    def beside(self) -> Iterator[None]:
        """Do what is in the block after all that came before the mark; what comes after does not wait for it."""
        if self._stream is None or self._mark is None:
            yield
            return
        self._stream.wait_event(self._mark)
        with torch.cuda.stream(self._stream):
            yield
