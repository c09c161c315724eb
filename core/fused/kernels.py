"""The GPU's part of a training step, but for its matrix products, in as few kernels as can be (Triton).

https://triton-lang.org. All tensors have the copies of a network that are trained together in front, one or more; `m`
is the number of images in a batch of one copy. Sums over rows are made in one program each, so that they come out the
same every time. What differs from step to step is read from tables at `at`, the step's number in its epoch.
"""

from __future__ import annotations

import triton
import triton.language as tl

from core.fused.activations import activate, slope


@triton.jit
def gather(
    images,  # (N, values) uint8
    labels,  # (N,) int64
    positions,  # (steps * rows,) int64: which image each row of each batch is
    shifts,  # (steps * rows, 2) int64
    flips,  # (steps * rows,) bool
    mean,  # (channels,)
    std,  # (channels,)
    at,  # () int64
    inputs,  # (rows, values): is written
    targets,  # (rows,) int64: is written
    start_rows,  # rows of the batches before the last, in one batch
    values,
    height,
    width,
    padding,
    NORMALIZED: tl.constexpr,
    CROPPED: tl.constexpr,
    FLIPPED: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Make a batch: take the images, cut, mirror and normalize them."""
    row = tl.program_id(0).to(tl.int64)
    source_row = tl.load(at) * start_rows + row
    position = tl.load(positions + source_row)
    value = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = value < values
    area = height * width
    channel = value // area
    source = value
    there = inside
    if CROPPED or FLIPPED:
        line = (value % area) // width
        column = value % width
        if FLIPPED:
            flip = tl.load(flips + source_row).to(tl.int32)
            column = tl.where(flip != 0, width - 1 - column, column)
        if CROPPED:
            line += tl.load(shifts + 2 * source_row).to(tl.int32) - padding
            column += tl.load(shifts + 2 * source_row + 1).to(tl.int32) - padding
            there = inside & (line >= 0) & (line < height) & (column >= 0) & (column < width)
        source = channel * area + line * width + column
    pixels = tl.load(images + position * values + source, mask=there, other=0).to(tl.float32) / 255
    if NORMALIZED:
        middle = tl.load(mean + channel, mask=inside, other=0.0)
        spread = tl.load(std + channel, mask=inside, other=1.0)
        pixels = (pixels - middle) / spread
    tl.store(inputs + row * values + value, pixels, mask=inside)
    if tl.program_id(1) == 0:
        tl.store(targets + row, tl.load(labels + position))


@triton.jit
def _kept(key, row, width, layer, step, dropped, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
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
def _product(
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
        there = (row < m)[:, None] & inside[None, :]
        place = begin + row[:, None] * width + column[None, :]
        if PRODUCT:
            whole = _product(
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
        total = tl.zeros((COLUMNS,), tl.float32)
        squares = tl.zeros((COLUMNS,), tl.float32)
        if WHOLE:
            mean = tl.sum(whole, axis=0) / m
            distance = tl.where(there, whole - mean[None, :], 0.0)
            squares = tl.sum(distance * distance, axis=0)
        else:
            for start in range(0, m, ROWS):
                there = (start + row < m)[:, None] & inside[None, :]
                place = begin + (start + row)[:, None].to(tl.int64) * width + column[None, :]
                total += tl.sum(tl.load(products + place, mask=there, other=0.0), axis=0)
            mean = total / m
            for start in range(0, m, ROWS):
                there = (start + row < m)[:, None] & inside[None, :]
                place = begin + (start + row)[:, None].to(tl.int64) * width + column[None, :]
                distance = tl.load(products + place, mask=there, other=0.0) - mean[None, :]
                squares += tl.sum(tl.where(there, distance * distance, 0.0), axis=0)
        deviation = 1 / tl.sqrt(squares / m + eps)
        tl.store(means + own, mean, mask=inside)
        tl.store(deviations + own, deviation, mask=inside)
        old = tl.load(running_mean + own, mask=inside, other=0.0)
        tl.store(running_mean + own, old + momentum * (mean + offset - old), mask=inside)
        old = tl.load(running_var + own, mask=inside, other=0.0)
        tl.store(running_var + own, old + momentum * (squares / (m - 1) - old), mask=inside)
        if tl.program_id(0) == 0:
            tl.store(tracked + copy, tl.load(tracked + copy) + 1)
        factor = deviation * tl.load(scale + own, mask=inside, other=0.0)
        offset = tl.load(shift + own, mask=inside, other=0.0)
    if DROPOUT:
        key, step = tl.load(keys + copy), tl.load(at).to(tl.int32)
    for start in range(0, m, ROWS):
        there = (start + row < m)[:, None] & inside[None, :]
        place = begin + (start + row)[:, None].to(tl.int64) * width + column[None, :]
        value = whole if WHOLE else tl.load(products + place, mask=there, other=0.0)
        if NORM:
            value = (value - mean[None, :]) * factor[None, :]
        value = activate(value + offset[None, :], ACTIVATION)
        if DROPOUT:
            kept = _kept(key, start + row, width, layer, step, dropped, ROWS, COLUMNS)
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
        kept = _kept(key, row, width, layer, step, dropped, ROWS, COLUMNS)
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
        there = (start + row < m)[:, None] & inside[None, :]
        place = begin + (start + row)[:, None].to(tl.int64) * width + column[None, :]
        if PRODUCT:
            gradient = _product(
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
            there = (start + row < m)[:, None] & inside[None, :]
            place = begin + (start + row)[:, None].to(tl.int64) * width + column[None, :]
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
            logits = _product(
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


@triton.jit
def optimize(
    tensors,  # (tensors, 5) int64: addresses of weights, gradients, both momenta, and bfloat16 copies or 0
    decays,  # (tensors, 2): the decay past the gradient, and 1 where the L2 penalty covers the weights
    blocks,  # (blocks, 3) int64: the tensor's number, where the block begins in it, and where the copy's part ends
    steps,  # (tensors,) int64: addresses of their counts of steps
    squares,  # (blocks,): is written, sums of squared weights as they were
    numbers,  # (4, steps): learning rate, share, and Adam's corrections of both momenta
    at,  # () int64
    epoch_steps,
    momentum,
    beta,
    eps,
    decay,  # lambda / m
    POLICY: tl.constexpr,
    KIND: tl.constexpr,
    MOMENTUM: tl.constexpr,
    LOW: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Change all weights as torch.optim's Adam (https://arxiv.org/abs/1412.6980), AdamW (1711.05101) or SGD."""
    block = tl.program_id(0).to(tl.int64)
    number = tl.load(blocks + 3 * block)
    begin = tl.load(blocks + 3 * block + 1)
    end = tl.load(blocks + 3 * block + 2)
    place = begin + tl.arange(0, BLOCK)
    inside = place < end
    step = tl.load(at)
    rate = tl.load(numbers + step)
    weights = tl.load(tensors + 5 * number).to(tl.pointer_type(tl.float32))
    gradients = tl.load(tensors + 5 * number + 1).to(tl.pointer_type(tl.float32))
    first = tl.load(tensors + 5 * number + 2).to(tl.pointer_type(tl.float32))
    weight = tl.load(tl.multiple_of(weights, 16) + place, mask=inside, other=0.0)
    gradient = tl.load(tl.multiple_of(gradients, 16) + place, mask=inside, other=0.0)
    covered = tl.load(decays + 2 * number + 1)
    tl.store(squares + block, tl.sum(weight * weight, axis=0) * covered)
    gradient += weight * (covered * decay)
    if KIND == "sgd":
        if MOMENTUM:
            gradient += momentum * tl.load(tl.multiple_of(first, 16) + place, mask=inside, other=0.0)
            tl.store(tl.multiple_of(first, 16) + place, gradient, mask=inside)
        weight -= rate * gradient
    else:
        second = tl.load(tensors + 5 * number + 3).to(tl.pointer_type(tl.float32))
        if KIND == "adamw":
            weight -= weight * (rate * tl.load(decays + 2 * number))
        # both momenta are read once a step: weights and gradients shall keep the cache
        mean = tl.load(tl.multiple_of(first, 16) + place, mask=inside, other=0.0, eviction_policy=POLICY)
        square = tl.load(tl.multiple_of(second, 16) + place, mask=inside, other=0.0, eviction_policy=POLICY)
        mean += (1 - momentum) * (gradient - mean)
        square = beta * square + (1 - beta) * gradient * gradient
        tl.store(tl.multiple_of(first, 16) + place, mean, mask=inside, eviction_policy=POLICY)
        tl.store(tl.multiple_of(second, 16) + place, square, mask=inside, eviction_policy=POLICY)
        first_correction = tl.load(numbers + 2 * epoch_steps + step)
        second_correction = tl.load(numbers + 3 * epoch_steps + step)
        weight -= (rate / first_correction) * mean / (tl.sqrt(square) / second_correction + eps)
        if begin == 0:
            count = tl.load(steps + number).to(tl.pointer_type(tl.float32))
            tl.store(count, tl.load(count) + 1)
    tl.store(tl.multiple_of(weights, 16) + place, weight, mask=inside)
    if LOW:
        address = tl.load(tensors + 5 * number + 4)
        low = tl.multiple_of(address.to(tl.pointer_type(tl.bfloat16)), 16)
        tl.store(low + place, weight.to(tl.bfloat16), mask=inside & (address != 0))


@triton.jit
def finish(
    squares,  # (K * blocks,): what `optimize` wrote
    told,  # (2, K) float64: what `loss` wrote
    sums,  # (3, K) float64: cost, cross-entropy and right answers; are added to
    at,  # () int64: is counted
    blocks,
    factor,  # lambda / 2m
    BLOCK: tl.constexpr,
):
    """Add up what is told of an epoch, with the L2 penalty in the cost, and go on to the next step."""
    copy, copies = tl.program_id(0).to(tl.int64), tl.num_programs(0)
    total = tl.zeros((BLOCK,), tl.float64)
    for start in range(0, blocks, BLOCK):
        place = start + tl.arange(0, BLOCK)
        total += tl.load(squares + copy * blocks + place, mask=place < blocks, other=0.0).to(tl.float64)
    value, right = tl.load(told + copy), tl.load(told + copies + copy)
    cost = tl.load(sums + copy) + value + tl.sum(total, axis=0) * factor
    value += tl.load(sums + copies + copy)
    right += tl.load(sums + 2 * copies + copy)
    tl.store(sums + copy, cost)
    tl.store(sums + copies + copy, value)
    tl.store(sums + 2 * copies + copy, right)
    if copy == 0:
        tl.store(at, tl.load(at) + 1)
