"""What a trial ran on: versions, device, threads, data, code, process."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from core.data.dataset import Dataset
from core.data.normalize import Normalizer
from core.device import device_name
from core.fused.available import kernels_work
from core.process import this_process
from core.text import printable

_PACKAGES = ("trialbook", "torchvision", "numpy", "pillow", "scikit-learn", "triton")
_CPU_INFO = Path("/proc/cpuinfo")
_SOURCE = Path(__file__).resolve().parent.parent


def describe_run(device: torch.device, data: Dataset, normalize: Normalizer) -> dict[str, Any]:
    """Return what a trial runs on, as plain values for a JSON file.

    The data's part holds all that is needed to evaluate the trial's weights later: classes, shape, and the mean and
    deviation its inputs were normalized by.
    """
    shape = data.shape
    return {
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,  # with its build, which the package's metadata leave out
            **{name: _version(name) for name in _PACKAGES},
        },
        "platform": platform.platform(),
        "processor": processor_name(),
        "device": device_name(device),
        "threads": torch.get_num_threads(),
        "kernels": "Triton" if device.type == "cuda" and kernels_work() else "PyTorch",
        "git_commit": git_commit(),
        "process": this_process(),
        "data": {
            "source": data.source,
            "fingerprint": data.fingerprint,
            "train_images": shape.train_images,
            "test_images": shape.test_images,
            "image_shape": [shape.image.channels, shape.image.height, shape.image.width],
            "classes": list(data.classes),
            "mean": list(normalize.mean),
            "std": list(normalize.std),
        },
    }


def run_differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return in words what of two runs differs that can change results in their last digits; [] if nothing does.

    Args:
        before: What a trial ran on, as `describe_run` described it; whatever else it holds is no difference.
        now: What it runs on now.
    """
    versions = _part(before, "versions"), _part(now, "versions")
    pairs = [(name, versions[0].get(name), versions[1].get(name)) for name in ("torch", "numpy", "trialbook")]
    pairs += [("processor", before.get("processor"), now.get("processor"))]
    pairs += [
        ("device", before.get("device"), now.get("device")),
        ("threads", before.get("threads"), now.get("threads")),
        ("kernels", before.get("kernels", "PyTorch"), now.get("kernels")),
    ]
    return [f"{name} {printable(old, 60)} -> {printable(new, 60)}" for name, old, new in pairs if old != new]


def _part(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = values.get(name)
    return part if isinstance(part, dict) else {}


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:  # Trialbook itself may be used from a checkout without being installed
        return None


def processor_name() -> str:
    """Return the processor's name, or its kind where the system does not tell more."""
    try:
        lines = _CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # not Linux
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def git_commit() -> str | None:
    """Return the commit of Trialbook's own checkout, with "+changes" where files differ from it; None without one."""
    if not (_SOURCE / ".git").exists():
        return None
    try:
        commit = _git("rev-parse", "HEAD")
        return f"{commit}+changes" if _git("status", "--porcelain", "--untracked-files=no") else commit
    except (OSError, subprocess.SubprocessError):
        return None


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(_SOURCE), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout.strip()  # noqa: S603
