"""Compile the kernels of `core.fused` for a GPU that need not be there, and print what memory each of them shares.

    python -m tests.compiled 86        for the compute capability 8.6

Triton's interpreter, in which the other tests run them where there is no GPU, takes programs that it would not compile.
"""

from __future__ import annotations

import itertools
import sys
from typing import Any

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from core.fused.kernels.batch import gather
from core.fused.kernels.block import block_backward, block_forward
from core.fused.kernels.change import finish, optimize
from core.fused.kernels.loss import loss
from core.model import ACTIVATIONS

WIDE = {"ROWS": 256, "COLUMNS": 16, "DEPTH": 32}
_LONG = ("tracked", "keys", "at", "positions", "shifts", "labels", "tensors", "steps", "targets")
_OF_PRECISION = ("inputs", "factors", "outputs", "next_gradients", "next_factors", "product_gradients")
_NUMBERS = ("smoothing", "momentum", "beta", "eps", "decay", "factor", "enlarged")
_SIZES = ("m", "before", "after", "width", "layer", "dropped", "classes", "values", "height", "padding", "start_rows")
_TYPES = {
    **dict.fromkeys(_LONG, "*i64"),
    **dict.fromkeys(_NUMBERS, "fp32"),
    **dict.fromkeys((*_SIZES, "epoch_steps"), "i32"),
    **dict.fromkeys(("images", "flips"), "*u8"),
    **dict.fromkeys(("told", "sums"), "*fp64"),
}


def type_of(name: str, kernel: str, low: str, constants: dict[str, Any]) -> str:
    """Return the type of a kernel's argument, as Triton writes it."""
    if name in constants:
        return "constexpr"
    if name in _OF_PRECISION or (name, kernel) == ("gradients", "loss"):
        return low
    if name == "blocks":
        return "*i64" if kernel == "optimize" else "i32"
    return "*fp32" if name == "targets" and constants.get("SHARES") else _TYPES.get(name, "*fp32")


def all_kinds() -> list[tuple[Any, dict[str, Any], int]]:
    """Return kernels with what they are compiled for and their warps: each activation, and each way at least once."""
    block = {"NORM": True, "DROPOUT": True, "PRECISION": "tf32"}
    parts = {"WHOLE": False, "PRODUCT": False, "ROWS": 256, "COLUMNS": 8, "DEPTH": 32}
    whole = {"WHOLE": True, "PRODUCT": True, **WIDE}
    found: list[tuple[Any, dict[str, Any], int]] = []
    for number, name in enumerate(ACTIVATIONS):
        shape, bare = (whole, parts)[number % 2], {"NORM": number % 3 != 2, "DROPOUT": number % 4 != 3}
        constants = {**block, **shape, **bare, "ACTIVATION": name}
        found.append((block_forward, {**constants, "SKIP": shape is parts}, 8))
        found.append((block_backward, constants, 8))
    narrow, plain = {**parts, "COLUMNS": 4, "WHOLE": True}, {**parts, "WHOLE": True}
    for shape, warps in ((narrow, 4), (plain, 8)):
        found.append((block_forward, {**block, **shape, "ACTIVATION": "relu", "SKIP": False}, warps))
        found.append((block_backward, {**block, **shape, "ACTIVATION": "relu"}, warps))
    for shares, product in itertools.product((False, True), repeat=2):
        found.append((loss, {"SHARES": shares, "PRODUCT": product, "PRECISION": "ieee", **WIDE}, 8))
    kinds = (
        {"KIND": kind, "MOMENTUM": True, "LOW": kind == "adam", "BLOCK": 1024} for kind in ("adam", "adamw", "sgd")
    )
    found.extend((optimize, constants, 4) for constants in kinds)
    found.append((gather, {"NORMALIZED": True, "CROPPED": True, "FLIPPED": True, "BLOCK": 1024}, 4))
    return [*found, (finish, {"BLOCK": 1024}, 4)]


def main() -> None:
    """Compile all, in float32 and in bfloat16."""
    target = GPUTarget("cuda", int(sys.argv[1]), 32)
    for low, (kernel, constants, warps) in itertools.product(("*fp32", "*bf16"), all_kinds()):
        types = {name: type_of(name, kernel.__name__, low, constants) for name in kernel.arg_names}
        source = ASTSource(fn=kernel, signature=types, constexprs=constants)
        made = triton.compile(source, target=target, options={"num_warps": warps})
        print(kernel.__name__, low, constants, made.metadata.shared)


if __name__ == "__main__":
    main()
