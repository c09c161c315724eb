"""Train the same settings with several seeds: only then is there something to say of settings."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from core.control import Control
from core.data.catalog import DataShape
from core.data.dataset import Dataset
from core.device import available_memory, choose_device
from core.events import Event, Finished
from core.session import train
from core.settings import Settings, change_settings
from core.size import size_of
from core.together import train_together
from core.trials.upkeep import new_about

FILLED = 0.8  # of the available memory: what is foretold may be a quarter too low
MOST_TOGETHER = 16  # seeds that are trained at once; by then there is no idle GPU left to win


def train_series(  # noqa: PLR0913 - as `train`
    settings: Settings,
    data: Dataset,
    seeds: int,
    *,
    home: Path | str = ".",
    name: str = "",
    note: str = "",
    tags: Sequence[str] = (),
    parent: str | None = None,
    begin: Settings | None = None,
    control: Control | None = None,
    together: bool | None = None,
) -> Generator[Event, None, None]:
    """Train trials that differ in their seed alone, and yield the events of all.

    Each trial is saved by itself and has the same parent. A request to stop, and a training that fails, end the series
    as they end the training that they meet. Where several are trained at once, each equals its single training to
    rounding; one that diverges is `Finished` as failed, while those beside it go on. `core.trials.conclusion` tells
    what the series says.

    Args:
        settings: What to train; its seed is the first one, and each trial's is one more.
        data: The data set that `load_data(settings.data)` gave.
        seeds: How many trials.
        home: The directory with `saved_models/` in it.
        name: A short name, to which each trial's seed is added.
        note: What is intended.
        tags: Words to find the trials by.
        parent: The preset or the trial that the settings were derived from.
        begin: The parent's settings; None: those found in the home, which need not hold the parent.
        control: Lets others pause and stop the series.
        together: Whether to train in the same steps as many trials as the device's memory has room for, up to
            `MOST_TOGETHER`, instead of one after the other; None: on a GPU.

    Raises:
        SettingsError: There are not so many seeds above the first one; nothing is trained.
        TrialError: A trial cannot have such a name, note or tags; nothing is trained.
        TrialbookError: As `train`.
    """
    control, home = control or Control(), Path(home)
    first = settings.training.seed
    each = [change_settings(settings, {"training.seed": first + number}) for number in range(seeds)]
    names = (f"{name} seed {one.training.seed}" if name and seeds > 1 else name for one in each)
    abouts = [new_about(one, note, tags) for one in names]
    at_once = _at_once(settings, data.shape, seeds, together)
    for start in range(0, seeds, at_once):
        group = slice(start, start + at_once)
        own, about = each[start], abouts[start]
        if len(each[group]) > 1:
            numbers = [one.training.seed for one in each[group]]
            events = train_together(
                settings, data, numbers, abouts[group], home=home, parent=parent, begin=begin, control=control
            )
        else:
            said: dict[str, Any] = {"name": about.name, "note": note, "tags": tags, "parent": parent, "begin": begin}
            events = train(own, data, home=home, control=control, **said)
        is_whole = yield from _passed_on(events)
        # a request in the last epoch stops no training any more, but still the series
        if not is_whole or control.stopping or control.finishing:
            return


def _passed_on(events: Generator[Event, None, None]) -> Generator[Event, None, bool]:
    """Yield the events; return whether all trials among them are finished."""
    is_whole = True
    with closing(events):
        for event in events:
            yield event
            if isinstance(event, Finished) and event.outcome.status != "finished":
                is_whole = False
    return is_whole


def _at_once(settings: Settings, shape: DataShape, seeds: int, together: bool | None) -> int:
    """Return how many seeds to train at once."""
    if seeds == 1 or together is False:
        return 1
    device = choose_device(settings.training)
    if together is None and device.type != "cuda":
        return 1
    memory, available = size_of(settings, shape, on_gpu=device.type == "cuda").memory, FILLED * available_memory(device)
    most = min(seeds, MOST_TOGETHER)
    return next((copies for copies in range(most, 1, -1) if memory.of_copies(copies) <= available), 1)
