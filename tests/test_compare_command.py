"""What `trialbook compare` prints: tables in blocks, and what repeats tell of the settings."""

from __future__ import annotations

from pathlib import Path

from tests.test_cli_wording import in_terminal
from tests.test_comparison import stand_in


def test_more_trials_than_there_is_room_for_are_told_in_blocks_with_labels_in_each(home: Path) -> None:
    trials = [stand_in(home, number, test_accuracy=0.5 + number / 100) for number in range(8)]
    out = in_terminal("--home", str(home), "compare", *(trial.id for trial in trials))
    lines = out.splitlines()
    assert max(map(len, lines)) <= 80 and "…" not in out
    heads = [line.split() for line in lines if line.replace(" ", "").isdigit()]
    assert len(heads) > 1 and [number for head in heads for number in head] == [str(at) for at in range(1, 9)]
    accuracies = [line for line in lines if line.startswith("test accuracy")]
    assert len(accuracies) == len(heads)
    assert sum("57.00 % *" in line for line in accuracies) == 1
    settings = [line.split() for line in lines if line.startswith("seed")]
    assert [value for row in settings for value in row[1:]] == [str(at) for at in range(8)]
    assert [line for line in lines if line.startswith("settings that differ")]
