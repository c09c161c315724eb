"""How fast trial 25 trains on a GPU: against a plain script, and against its matrix products alone.

    uv run python -m tests.benchmarks.gpu                           # about a minute

In each precision are measured, as medians over epochs of random images of CIFAR-10's shape and number, of which
nothing is saved: the whole epoch, its training and its evaluation; the matrix products of an epoch as a CUDA graph; and
how long the first epoch takes, with the capture of graphs and, the first time on a machine, the compilation of kernels.
The plain script is `tests/benchmarks/plain.py` with eight processes that load images.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time

import torch

from core.control import Control
from core.data.dataset import Dataset
from core.device import device_name
from core.events import EpochFinished
from core.fused.available import kernels_work
from core.presets import preset
from core.session import train
from core.settings import Settings, change_settings
from core.trainer import Trainer
from tests.benchmarks.plain import Plain
from tests.benchmarks.seeds import random_images
from tests.benchmarks.training import products, timed

EPOCHS = 20
WORKERS = 8
_TYPES = {"float32": torch.float32, "tf32": torch.float32, "bfloat16": torch.bfloat16}


def epochs(settings: Settings, data: Dataset, home: str = "") -> dict[str, float]:
    """Return the seconds of the first epoch, and the medians of others and of their parts; save in a home, if any."""
    begin, first = time.perf_counter(), 0.0
    seconds: list[tuple[float, float, float]] = []
    events = train(settings, data, home=home) if home else Trainer(settings, data).run(Control())
    for event in events:
        if isinstance(event, EpochFinished):
            now = time.perf_counter()
            training = 50_000 / event.result.images_per_second
            seconds.append((now - begin, training, event.result.seconds - training))
            first, begin = first or now - begin, now
    middle = [statistics.median(column) for column in zip(*seconds[1:], strict=True)]
    return {"first": first, **dict(zip(("whole", "training", "evaluation"), middle, strict=True))}


def products_alone(settings: Settings) -> float:
    """Return the seconds of all matrix products of an epoch, in the settings' precision, without gaps between them."""
    precision = settings.training.precision
    torch.backends.cuda.matmul.fp32_precision = "tf32" if precision == "tf32" else "ieee"
    make = products(settings, _TYPES[precision], "cuda")
    make()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        make()

    def replay() -> None:
        graph.replay()
        torch.cuda.synchronize()

    replay()
    taken = statistics.median(timed(replay) for _ in range(5))
    torch.backends.cuda.matmul.fp32_precision = "ieee"
    return taken


def main() -> None:
    """Measure, and print a line for each precision."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.gpu", description="Measure trial 25 on a GPU.")
    parser.add_argument("--no-plain", action="store_true", help="leave the plain script out")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        print("there is no GPU here")
        return
    begin = time.perf_counter()
    own = "our kernels" if kernels_work() else "PyTorch's kernels"
    print(
        f"{device_name(torch.device('cuda'))}, torch {torch.__version__}, {own} ({time.perf_counter() - begin:.1f} s)"
    )
    data, base = random_images(), preset("trial-25").settings
    base = change_settings(base, {"training.device": "cuda", "training.epochs": EPOCHS + 1})
    for precision in _TYPES:
        settings = change_settings(base, {"training.precision": precision})
        one, alone = epochs(settings, data), products_alone(settings)
        print(
            f"{precision}: epoch {1e3 * one['whole']:.1f} ms, of which training {1e3 * one['training']:.1f} ms and "
            f"evaluation {1e3 * one['evaluation']:.1f} ms; first epoch {one['first']:.2f} s; matrix products alone "
            f"{1e3 * alone:.1f} ms ({one['training'] / alone:.2f} x)",
            flush=True,
        )
        with tempfile.TemporaryDirectory() as home:
            print(f"    with every epoch saved {1e3 * epochs(settings, data, home)['whole']:.1f} ms", flush=True)
    if not options.no_plain:
        arrays = {
            f"{part}_{kind}": getattr(getattr(data, part), kind).numpy()
            for part in ("train", "test")
            for kind in ("images", "labels")
        }
        plain = Plain(base, arrays, WORKERS, "cuda")
        print(f"plain script, {WORKERS} loader workers: {timed(plain.train):.2f} s for its first epoch of training")


if __name__ == "__main__":
    main()
