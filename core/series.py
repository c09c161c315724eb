"""Train the same settings with several seeds, one after the other: only then is there something to say of settings."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path

from core.control import Control
from core.data.dataset import Dataset
from core.events import Event, Finished
from core.session import train
from core.settings import Settings, change_settings


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
    control: Control | None = None,
) -> Generator[Event, None, None]:
    """Train trials that differ in their seed alone, and yield the events of all.

    Each trial is saved by itself and has the same parent. A request to stop, and a training that fails, end the series
    as they end the training that they meet. `core.trials.conclusion` tells what the series says.

    Args:
        settings: What to train; its seed is the first one, and each trial's is one more.
        data: The data set that `load_data(settings.data)` gave.
        seeds: How many trials.
        home: The directory with `saved_models/` in it.
        name: A short name, to which each trial's seed is added.
        note: What is intended.
        tags: Words to find the trials by.
        parent: The preset or the trial that the settings were derived from.
        control: Lets others pause and stop the series.

    Raises:
        SettingsError: There are not so many seeds above the first one; nothing is trained.
        TrialbookError: As `train`.
    """
    control = control or Control()
    first = settings.training.seed
    for each in [change_settings(settings, {"training.seed": first + number}) for number in range(seeds)]:
        own_name = f"{name} seed {each.training.seed}" if name and seeds > 1 else name
        for event in train(each, data, home=home, name=own_name, note=note, tags=tags, parent=parent, control=control):
            yield event
            # a request in the last epoch stops no training any more, but still the series
            if isinstance(event, Finished) and (event.outcome.status != "finished" or _is_asked_to_end(control)):
                return


def _is_asked_to_end(control: Control) -> bool:
    return control.stopping or control.finishing
