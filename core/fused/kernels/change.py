"""Change the weights, and end a step."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def optimize(
    tensors,  # (tensors, 5) int64: addresses of weights, gradients, both momenta, and bfloat16 copies or 0
    decays,  # (tensors, 2): the decay past the gradient, and 1 where the L2 penalty covers the weights
    blocks,  # (blocks, 3) int64: the tensor's number, where the block begins in it, and where the copy's part ends
    steps,  # (): the optimizer's count of steps; is counted
    squares,  # (blocks,): is written, sums of squared weights as they were
    numbers,  # (4, steps): learning rate, share, and Adam's corrections of both momenta
    at,  # () int64
    epoch_steps,
    momentum,
    beta,
    eps,
    decay,  # lambda / m
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
        mean = tl.load(tl.multiple_of(first, 16) + place, mask=inside, other=0.0)
        square = tl.load(tl.multiple_of(second, 16) + place, mask=inside, other=0.0)
        mean += (1 - momentum) * (gradient - mean)
        square = beta * square + (1 - beta) * gradient * gradient
        tl.store(tl.multiple_of(first, 16) + place, mean, mask=inside)
        tl.store(tl.multiple_of(second, 16) + place, square, mask=inside)
        first_correction = tl.load(numbers + 2 * epoch_steps + step)
        second_correction = tl.load(numbers + 3 * epoch_steps + step)
        weight -= (rate / first_correction) * mean / (tl.sqrt(square) / second_correction + eps)
        if block == 0:
            tl.store(steps, tl.load(steps) + 1)
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
