"""Make a batch."""

from __future__ import annotations

import triton
import triton.language as tl


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
