"""The cross-entropy and its gradient."""

from __future__ import annotations

import triton
import triton.language as tl

from core.fused.kernels.parts import product


@triton.jit
def loss(
    inputs,  # (K, m, before)
    factors,  # (K, classes, before): the weights
    products,  # (K, m, classes): is read unless PRODUCT
    bias,  # (K, classes)
    targets,  # (K, m) int64, or (K, m, classes) where they are shares
    told,  # (2, K) float64: is written, cross-entropy and right answers
    gradients,  # (K, m, classes): is written
    bias_gradients,  # (K, classes): is written
    m,
    before,
    classes,
    smoothing,
    SHARES: tl.constexpr,
    PRODUCT: tl.constexpr,
    PRECISION: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    DEPTH: tl.constexpr,
):
    """The cross-entropy's mean over a batch, its gradient, and how many answers are right."""
    copy = tl.program_id(0).to(tl.int64)
    column = tl.arange(0, COLUMNS)
    inside = column < classes
    begin = copy * m * classes
    offset = tl.load(bias + copy * classes + column, mask=inside, other=0.0)
    total = tl.zeros((ROWS,), tl.float32)
    right = tl.zeros((ROWS,), tl.int32)
    of_bias = tl.zeros((COLUMNS,), tl.float32)
    for start in range(0, m, ROWS):
        row = start + tl.arange(0, ROWS)
        there = (row < m)[:, None] & inside[None, :]
        place = begin + row[:, None].to(tl.int64) * classes + column[None, :]
        if SHARES:
            wanted = tl.load(targets + place, mask=there, other=0.0)
            label = tl.argmax(tl.where(inside[None, :], wanted, -1.0), axis=1)
        else:
            label = tl.load(targets + copy * m + row, mask=row < m, other=0).to(tl.int32)
            wanted = tl.where(column[None, :] == label[:, None], 1.0, 0.0)
        wanted = wanted * (1 - smoothing) + smoothing / classes
        if PRODUCT:
            logits = product(
                inputs + copy * m * before,
                factors + copy * classes * before,
                row,
                column,
                m,
                classes,
                before,
                1,
                before,
                PRECISION,
                ROWS,
                COLUMNS,
                DEPTH,
            )
        else:
            logits = tl.load(products + place, mask=there, other=0.0)
        logits = tl.where(inside[None, :], logits + offset[None, :], float("-inf"))
        best = tl.max(logits, axis=1)
        powers = tl.exp(logits - best[:, None])
        power_sum = tl.sum(powers, axis=1)
        likely = tl.where(inside[None, :], logits - best[:, None] - tl.log(power_sum)[:, None], 0.0)
        total += tl.where(row < m, tl.sum(tl.where(inside[None, :], -wanted * likely, 0.0), axis=1), 0.0)
        right += tl.where((row < m) & (tl.argmax(logits, axis=1) == label), 1, 0)
        gradient = tl.where(there, (powers / power_sum[:, None] - wanted) / m, 0.0)
        of_bias += tl.sum(gradient, axis=0)
        tl.store(gradients + place, gradient, mask=there)
    tl.store(bias_gradients + copy * classes + column, of_bias, mask=inside)
    tl.store(told + copy, tl.sum(total, axis=0).to(tl.float64) / m)
    tl.store(told + tl.num_programs(0) + copy, tl.sum(right, axis=0).to(tl.float64))
