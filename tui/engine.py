"""PyTorch in the background: imported once, after the first screen, and the last data set kept in memory."""

from __future__ import annotations

import contextlib
import gc
import importlib
import importlib.util
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tui.garbage import keep_imported

if TYPE_CHECKING:
    from core.data.dataset import Dataset
    from core.data.folder import OnProgress
    from core.settings import DataSettings

_LIBRARIES = ("libtorch_cpu.so", "libtorch_cuda.so", "libtorch_python.so")
_FIRST = ("torch", "core.session")
_THEN = (
    "scipy.special",  # for verdicts, which comparisons are full of
    "core.evaluation",
    "core.preflight",
    # the screens, which would otherwise be imported when they are opened, while their user waits
    "tui.screens.evaluation",
    "tui.screens.history",
    "tui.screens.choose",
    "tui.screens.compare",
    "tui.screens.scrub",
    "tui.screens.data",
    "tui.screens.dialogs",
)


class Engine:
    """What takes seconds to import or to load, and is therefore kept.

    Attributes:
        ready: Whether all that a training needs is imported.
        is_importing: Whether the thread that imports is still at it.
    """

    def __init__(self) -> None:
        """Import nothing yet."""
        self.ready = False
        self.is_importing = False
        self._has_begun = False
        self._loading = threading.Lock()
        self._key: tuple[str, str, bool] | None = None
        self._dataset: Dataset | None = None

    def start(self, done: Callable[[str, str], object]) -> None:
        """Begin to import, the first time only, in a thread of its own that does not keep the process from ending.

        Args:
            done: Called in that thread with an error, or "", and with the device that "auto" means.
        """
        if self._has_begun:  # where it failed it would fail again
            return
        self._has_begun = self.is_importing = True
        threading.Thread(target=self._import, args=(done,), daemon=True, name="import torch").start()

    def _import(self, done: Callable[[str, str], object]) -> None:
        # collections while a million lasting objects are made would stall the screen, for up to 0.2 s each
        gc.disable()
        try:
            _load_libraries()
            _import_all(_FIRST)
            device = _default_device()
            self.ready = True
            done("", device)
            _import_all(_THEN)
        except Exception as error:
            done(f"PyTorch cannot be imported: {type(error).__name__}: {error}", "")
        finally:
            keep_imported()
            self.is_importing = False

    def load_dataset(self, settings: DataSettings, on_progress: OnProgress) -> Dataset:
        """Return a data set; the last one is still in memory. Takes seconds: for worker threads.

        Args:
            settings: `source`, `image_size` and `skip_broken` say which.
            on_progress: Told what is being done; what it raises ends the loading.

        Raises:
            DataError: The data cannot be had or read.
        """
        from core.data.dataset import load_data  # noqa: PLC0415 - torch

        while not self._loading.acquire(timeout=0.1):  # another thread loads; who waits must still hear of a stop
            on_progress("waiting for the data", 0, 0)
        try:
            key = (settings.source, settings.image_size, settings.skip_broken)
            # a folder may have changed since, which only its listing tells; that is quick beside a decoding
            if self._dataset is None or key != self._key or os.path.isabs(settings.source):
                with open(os.devnull, "w", encoding="utf-8") as nowhere, contextlib.redirect_stderr(nowhere):
                    # Textual's stand-in for the standard error has no file descriptor, without which the processes
                    # that decode images cannot be started
                    self._dataset, self._key = load_data(settings, on_progress), key
            return self._dataset
        finally:
            self._loading.release()


def _import_all(names: tuple[str, ...]) -> None:
    for name in names:
        importlib.import_module(name)


def _default_device() -> str:
    from core.device import choose_device, device_name  # noqa: PLC0415 - torch
    from core.settings import TrainingSettings  # noqa: PLC0415

    return device_name(choose_device(TrainingSettings()))


def _load_libraries() -> None:
    """Load PyTorch's large libraries without holding the interpreter's lock, which an import would hold for a second.

    What `ctypes` calls runs without the lock, so the screen goes on. Where a library is not found the import loads it.
    """
    import ctypes  # noqa: PLC0415 - in the background as all here, not before the first screen

    found = importlib.util.find_spec("torch")
    if found is None or not found.submodule_search_locations:
        return
    with contextlib.suppress(OSError, AttributeError):
        dlopen = ctypes.CDLL(None).dlopen
        dlopen.restype = ctypes.c_void_p
        for name in _LIBRARIES:
            path = Path(found.submodule_search_locations[0]) / "lib" / name
            if path.exists():
                dlopen(str(path).encode(), os.RTLD_NOW | os.RTLD_GLOBAL)
