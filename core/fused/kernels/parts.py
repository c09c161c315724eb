"""What several kernels do: activations, dropout, small matrix products."""

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


@triton.jit
def kept_neurons(key, row, width, layer, step, dropped, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """Return which neurons (ROWS, COLUMNS) stay, by Philox4x32-7 (Salmon et al. 2011, 10.1145/2063384.2063405).

    Each draw is for four neurons beside each other; seven rounds are the fewest that pass all statistical tests there.
    """
    four = tl.program_id(0) * (COLUMNS // 4) + tl.arange(0, COLUMNS // 4)
    index = row[:, None] * ((width + 3) // 4) + four[None, :]
    zero = index * 0
    first, second, third, fourth = tl.philox(key, index, zero + layer, zero + step, zero, 7)
    drawn = tl.join(tl.join(first, third), tl.join(second, fourth)).reshape(ROWS, COLUMNS)
    return (drawn >> 1).to(tl.int32) >= dropped


@triton.jit
def tile(begin, row, column, m, width):
    """Return which values of a part (ROWS, COLUMNS) of (m, width) there are, and where they are behind `begin`."""
    there = (row < m)[:, None] & (column < width)[None, :]
    return there, begin + row[:, None].to(tl.int64) * width + column[None, :]


@triton.jit
def product(
    left,  # (m, depth)
    right,  # (depth, width), by its strides
    row,
    column,
    m,
    width,
    depth,
    right_row,
    right_column,
    PRECISION: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    DEPTH: tl.constexpr,
):
    """Return a part (ROWS, COLUMNS) of a matrix product."""
    total = tl.zeros((ROWS, COLUMNS), tl.float32)
    for start in range(0, depth, DEPTH):
        deep = start + tl.arange(0, DEPTH)
        one = tl.load(
            left + row[:, None] * depth + deep[None, :], mask=(row < m)[:, None] & (deep < depth)[None, :], other=0.0
        )
        other = tl.load(
            right + deep[:, None] * right_row + column[None, :] * right_column,
            mask=(deep < depth)[:, None] & (column < width)[None, :],
            other=0.0,
        )
        total = tl.dot(one, other, total, input_precision=PRECISION)
    return total
