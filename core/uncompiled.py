"""PyTorch's optimizers without its compiler, which they import only to tell it to leave them alone.

That import takes longer than all of `import torch`, and a hundred megabytes; nothing here is ever compiled.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable

import torch

_MARK = "__dynamo_disable"  # where `torch._disable_dynamo` keeps the function to call
_MARKED = ("add_param_group", "load_state_dict", "state_dict", "zero_grad")


def leave_out_compiler() -> None:
    """Let optimizers be made without the compiler; where PyTorch does not know the mark, nothing changes."""
    for name in _MARKED:
        plain = inspect.unwrap(getattr(torch.optim.Optimizer, name))
        if not hasattr(plain, _MARK):
            setattr(plain, _MARK, plain)


def plain_step(optimizer: torch.optim.Optimizer) -> Callable[[], None]:
    """Return a function that makes an optimizer's step, past the wrapper that tells the compiler of it.

    The step of `differentiable` optimizers, which this is not for, needs that wrapper.
    """
    step = inspect.unwrap(type(optimizer).step)

    @torch.no_grad()
    def make() -> None:
        step(optimizer)

    return make
