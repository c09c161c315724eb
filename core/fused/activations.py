"""The activations of `core.model` and their slopes, for kernels."""

from __future__ import annotations

import triton
import triton.language as tl

_INVERSE_ROOT_2 = tl.constexpr(0.7071067811865476)
_INVERSE_ROOT_2_PI = tl.constexpr(0.3989422804014327)
_LEAK = tl.constexpr(0.01)  # torch's


@triton.jit
def _sigmoid(value):
    return 1 / (1 + tl.exp(-value))


@triton.jit
def _tanh(value):
    return 2 * _sigmoid(2 * value) - 1


@triton.jit
def activate(value, NAME: tl.constexpr):
    """Return the activation of values; NaN stays NaN."""
    if NAME == "relu":
        return tl.where(value < 0, 0.0, value)
    elif NAME == "leaky_relu":
        return tl.where(value < 0, _LEAK * value, value)
    elif NAME == "elu":
        return tl.where(value < 0, tl.exp(value) - 1, value)
    elif NAME == "gelu":
        return value * 0.5 * (1 + tl.erf(value * _INVERSE_ROOT_2))
    elif NAME == "silu":
        return value * _sigmoid(value)
    else:
        tl.static_assert(NAME == "tanh")
        return _tanh(value)


@triton.jit
def slope(value, NAME: tl.constexpr):
    """Return the activation's derivative at values."""
    if NAME == "relu":
        return tl.where(value > 0, 1.0, 0.0)
    elif NAME == "leaky_relu":
        return tl.where(value > 0, 1.0, _LEAK)
    elif NAME == "elu":
        return tl.where(value > 0, 1.0, tl.exp(value))
    elif NAME == "gelu":
        below = 0.5 * (1 + tl.erf(value * _INVERSE_ROOT_2))
        return below + value * _INVERSE_ROOT_2_PI * tl.exp(-0.5 * value * value)
    elif NAME == "silu":
        share = _sigmoid(value)
        return share * (1 + value * (1 - share))
    else:
        tl.static_assert(NAME == "tanh")
        return 1 - _tanh(value) * _tanh(value)
