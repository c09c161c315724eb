"""Let a training go on without a screen, in a process that outlives this one."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from core.errors import TrialError
from core.files import cannot_write
from core.trials.trial import Trial

LOG = "left_running.log"
_SOURCE = Path(__file__).resolve().parent.parent
_COMMAND = "import os; os.chdir('/'); from core.cli.main import main; main()"
"""In a directory that nobody removes: the present one may be gone already, or be in somebody's way when this one is."""


def resume_detached(trial: Trial) -> None:
    """Start `trialbook resume` on a trial in a session of its own, which no closed terminal ends; return at once.

    What it prints goes to `left_running.log` beside the trial's other files. It waits some seconds for a process that
    still trains the trial.

    Raises:
        TrialError: The process cannot be started.
    """
    log = trial.directory / LOG
    home = trial.directory.parent.parent.absolute()
    # this Trialbook and no other that may lie in the current directory
    paths = [str(_SOURCE), *filter(None, [os.environ.get("PYTHONPATH")])]
    command = [sys.executable, "-P", "-c", _COMMAND, "--home", str(home), "resume", "--wait", trial.id]
    try:
        with log.open("ab") as output:
            # not subprocess.Popen, which wants to be told of the end of what outlives it
            os.posix_spawn(
                command[0],
                command,
                {**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
                setsid=True,
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_DUP2, output.fileno(), 1),
                    (os.POSIX_SPAWN_DUP2, output.fileno(), 2),
                ],
            )
    except OSError as error:
        if error.filename == str(log):
            raise cannot_write(log, error) from error
        raise TrialError(f"cannot start {sys.executable}: {error.strerror or error}") from error
