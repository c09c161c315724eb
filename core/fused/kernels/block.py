"""A hidden layer, forward and backward, but for the larger of its matrix products."""

from __future__ import annotations

import triton
import triton.language as tl

from core.fused.kernels.parts import activate, kept_neurons, product, slope, tile


@triton.jit
def _measure(products, begin, column, m, width, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """Return the mean of a layer's products over a batch, and the sum of squared distances from it (COLUMNS,)."""
    row = tl.arange(0, ROWS)
    total = tl.zeros((COLUMNS,), tl.float32)
    for start in range(0, m, ROWS):
        there, place = tile(begin, start + row, column, m, width)
        total += tl.sum(tl.load(products + place, mask=there, other=0.0), axis=0)
    mean = total / m
    squares = tl.zeros((COLUMNS,), tl.float32)
    for start in range(0, m, ROWS):
        there, place = tile(begin, start + row, column, m, width)
        distance = tl.load(products + place, mask=there, other=0.0) - mean[None, :]
        squares += tl.sum(tl.where(there, distance * distance, 0.0), axis=0)
    return mean, squares


@triton.jit
def _follow(running, own, inside, momentum, value):
    """Move batch norm's running statistics towards a batch's."""
    old = tl.load(running + own, mask=inside, other=0.0)
    tl.store(running + own, old + momentum * (value - old), mask=inside)


@triton.jit(do_not_specialize=["layer", "dropped"])
def block_forward(
    inputs,  # (K, m, before)
    factors,  # (K, width, before): the weights
    products,  # (K, m, width): inputs times weights; is written where PRODUCT
    bias,  # (K, width)
    scale,  # (K, width), as all up to `tracked`: batch norm's
    shift,
    running_mean,
    running_var,
    tracked,  # (K,) int64
    outputs,  # (K, m, width): is written
    means,  # (K, width): is written, of the products
    deviations,  # (K, width): is written, 1 / their standard deviation
    keys,  # (K,) int64
    at,  # () int64
    m,
    before,
    width,
    layer,
    dropped,  # of 2^31
    enlarged,  # by what the neurons that stay are multiplied
    momentum,
    eps,
    ACTIVATION: tl.constexpr,
    NORM: tl.constexpr,
    DROPOUT: tl.constexpr,
    SKIP: tl.constexpr,
    WHOLE: tl.constexpr,  # whether ROWS are all
    PRODUCT: tl.constexpr,  # whether to make the products too
    PRECISION: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    DEPTH: tl.constexpr,
):
    """Batch norm, activation, dropout and skip connection of a hidden layer (https://arxiv.org/abs/1502.03167)."""
    copy = tl.program_id(1).to(tl.int64)
    column = tl.program_id(0) * COLUMNS + tl.arange(0, COLUMNS)
    inside = column < width
    own = copy * width + column
    begin = copy * m * width
    offset = tl.load(bias + own, mask=inside, other=0.0)
    row = tl.arange(0, ROWS)
    if WHOLE:
        there, place = tile(begin, row, column, m, width)
        if PRODUCT:
            whole = product(
                inputs + copy * m * before,
                factors + copy * width * before,
                row,
                column,
                m,
                width,
                before,
                1,
                before,
                PRECISION,
                ROWS,
                COLUMNS,
                DEPTH,
            )
            tl.store(products + place, whole, mask=there)
        else:
            whole = tl.load(products + place, mask=there, other=0.0)
    if NORM:
        if WHOLE:
            mean = tl.sum(whole, axis=0) / m
            distance = tl.where(there, whole - mean[None, :], 0.0)
            squares = tl.sum(distance * distance, axis=0)
        else:
            mean, squares = _measure(products, begin, column, m, width, ROWS, COLUMNS)
        deviation = 1 / tl.sqrt(squares / m + eps)
        tl.store(means + own, mean, mask=inside)
        tl.store(deviations + own, deviation, mask=inside)
        _follow(running_mean, own, inside, momentum, mean + offset)
        _follow(running_var, own, inside, momentum, squares / (m - 1))
        if tl.program_id(0) == 0:
            tl.store(tracked + copy, tl.load(tracked + copy) + 1)
        factor = deviation * tl.load(scale + own, mask=inside, other=0.0)
        offset = tl.load(shift + own, mask=inside, other=0.0)
    if DROPOUT:
        key, step = tl.load(keys + copy), tl.load(at).to(tl.int32)
    for start in range(0, m, ROWS):
        there, place = tile(begin, start + row, column, m, width)
        value = whole if WHOLE else tl.load(products + place, mask=there, other=0.0)
        if NORM:
            value = (value - mean[None, :]) * factor[None, :]
        value = activate(value + offset[None, :], ACTIVATION)
        if DROPOUT:
            kept = kept_neurons(key, start + row, width, layer, step, dropped, ROWS, COLUMNS)
            value = tl.where(kept, value * enlarged, 0.0)
        if SKIP:
            value += tl.load(inputs + place, mask=there, other=0.0)
        tl.store(outputs + place, value, mask=there)


@triton.jit
def _slope(
    gradient,
    value,  # the products, normalized
    factor,
    offset,
    key,
    row,
    width,
    layer,
    step,
    dropped,
    enlarged,
    ACTIVATION: tl.constexpr,
    DROPOUT: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """Return the gradient before activation and dropout, given that after them."""
    gradient *= slope(value * factor[None, :] + offset[None, :], ACTIVATION)
    if DROPOUT:
        kept = kept_neurons(key, row, width, layer, step, dropped, ROWS, COLUMNS)
        gradient = tl.where(kept, gradient * enlarged, 0.0)
    return gradient


@triton.jit(do_not_specialize=["layer", "dropped"])
def block_backward(
    gradients,  # (K, m, width): of what `block_forward` wrote; is read unless PRODUCT
    next_gradients,  # (K, m, after): of the next layer's products
    next_factors,  # (K, after, width): the next layer's weights
    products,
    bias,
    scale,
    shift,
    means,
    deviations,
    keys,
    at,
    product_gradients,  # (K, m, width): is written
    bias_gradients,  # (K, width): is written, as the next two
    scale_gradients,
    shift_gradients,
    m,
    after,
    width,
    layer,
    dropped,
    enlarged,
    ACTIVATION: tl.constexpr,
    NORM: tl.constexpr,
    DROPOUT: tl.constexpr,
    WHOLE: tl.constexpr,
    PRODUCT: tl.constexpr,  # whether to make `gradients` from the next layer's
    PRECISION: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    DEPTH: tl.constexpr,
):
    """What `block_forward` did, backwards."""
    copy = tl.program_id(1).to(tl.int64)
    column = tl.program_id(0) * COLUMNS + tl.arange(0, COLUMNS)
    inside = column < width
    own = copy * width + column
    begin = copy * m * width
    row = tl.arange(0, ROWS)
    mean = tl.zeros((COLUMNS,), tl.float32)
    deviation = mean + 1
    factor = mean + 1
    key, step = tl.load(keys + copy), tl.load(at).to(tl.int32)
    if NORM:
        mean = tl.load(means + own, mask=inside, other=0.0)
        deviation = tl.load(deviations + own, mask=inside, other=0.0)
        factor = tl.load(scale + own, mask=inside, other=0.0)
        offset = tl.load(shift + own, mask=inside, other=0.0)
    else:
        offset = tl.load(bias + own, mask=inside, other=0.0)
    of_shift = tl.zeros((COLUMNS,), tl.float32)
    of_scale = tl.zeros((COLUMNS,), tl.float32)
    for start in range(0, m, ROWS):
        there, place = tile(begin, start + row, column, m, width)
        if PRODUCT:
            gradient = product(
                next_gradients + copy * m * after,
                next_factors + copy * after * width,
                row,
                column,
                m,
                width,
                after,
                width,
                1,
                PRECISION,
                ROWS,
                COLUMNS,
                DEPTH,
            )
        else:
            gradient = tl.load(gradients + place, mask=there, other=0.0)
        value = (tl.load(products + place, mask=there, other=0.0) - mean[None, :]) * deviation[None, :]
        gradient = _slope(
            gradient,
            value,
            factor,
            offset,
            key,
            start + row,
            width,
            layer,
            step,
            dropped,
            enlarged,
            ACTIVATION,
            DROPOUT,
            ROWS,
            COLUMNS,
        )
        gradient = tl.where(there, gradient, 0.0)
        of_shift += tl.sum(gradient, axis=0)
        if NORM:
            of_scale += tl.sum(gradient * value, axis=0)
            if WHOLE:
                gradient -= (of_shift[None, :] + value * of_scale[None, :]) / m
                gradient = tl.where(there, gradient * (factor * deviation)[None, :], 0.0)
                tl.store(bias_gradients + own, tl.sum(gradient, axis=0), mask=inside)
                tl.store(product_gradients + place, gradient, mask=there)
        else:
            tl.store(product_gradients + place, gradient, mask=there)
    if NORM:
        tl.store(shift_gradients + own, of_shift, mask=inside)
        tl.store(scale_gradients + own, of_scale, mask=inside)
    else:
        tl.store(bias_gradients + own, of_shift, mask=inside)
    if NORM and not WHOLE:
        of_bias = tl.zeros((COLUMNS,), tl.float32)
        for start in range(0, m, ROWS):
            there, place = tile(begin, start + row, column, m, width)
            value = (tl.load(products + place, mask=there, other=0.0) - mean[None, :]) * deviation[None, :]
            gradient = tl.load(gradients + place, mask=there, other=0.0)
            gradient = _slope(
                gradient,
                value,
                factor,
                offset,
                key,
                start + row,
                width,
                layer,
                step,
                dropped,
                enlarged,
                ACTIVATION,
                DROPOUT,
                ROWS,
                COLUMNS,
            )
            gradient -= (of_shift[None, :] + value * of_scale[None, :]) / m
            gradient = tl.where(there, gradient * (factor * deviation)[None, :], 0.0)
            of_bias += tl.sum(gradient, axis=0)
            tl.store(product_gradients + place, gradient, mask=there)
        tl.store(bias_gradients + own, of_bias, mask=inside)
