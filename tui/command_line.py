"""The command line that does the same as the forms."""

from __future__ import annotations

import shlex
from pathlib import Path

from core.cli.options import train_arguments
from core.files import working_directory
from tui.draft import Draft


def command_line(draft: Draft, home: Path) -> str:
    """Return the command that trains a draft, quoted for a POSIX shell.

    Args:
        draft: What to train.
        home: The directory with `saved_models/` in it, absolute; named in the command where it is not the current one.
    """
    words = ["trialbook"]
    if home != working_directory():
        words += ["--home", str(home)]
    words += ["train", *train_arguments(draft.settings, draft.begin, draft.parent)]
    for option, text in (("--name", draft.name), ("--note", draft.note)):
        if text:
            words += [option, text]
    return shlex.join(words)
