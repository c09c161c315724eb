"""The command `trialbook`: finds the subcommand, and turns every error into one line and an exit status."""

from __future__ import annotations

import contextlib
import importlib
import io
import keyword
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import click

from core.errors import SettingsError, TrialbookError
from core.files import working_directory
from core.text import printable

COMMANDS = {
    "train": "Train a trial and save it.",
    "resume": "Go on with a trial that was stopped, killed or paused.",
    "pause": "Let the process that trains a trial pause.",
    "stop": "Let the process that trains a trial stop.",
    "check": "Say in seconds whether settings can work.",
    "evaluate": "Evaluate a saved trial or a file of weights on its test set.",
    "trials": "List the saved trials.",
    "show": "Show one saved trial.",
    "compare": "Compare two to eight saved trials.",
    "edit": "Change a trial's name, note, tags and star.",
    "delete": "Move trials to the trash.",
    "trash": "List the trash, restore a trial from it, or empty it.",
    "export": "Write a trial as one file.",
    "import": "Add a trial that was exported.",
    "presets": "List the presets, or show one.",
    "replay": "Train the reference history again and compare.",
    "report": "Write the history of trials as a document.",
    "data": "List the data sets, or download one.",
}
_ELSEWHERE = {
    **dict.fromkeys(("edit", "delete", "trash", "export", "import"), "upkeep"),
    **dict.fromkeys(("pause", "stop"), "resume"),
}
"""Modules that hold several commands, or are not called as their command is."""
INTERRUPTED = 130


class _LazyGroup(click.Group):
    """A group whose commands are imported when they are called: the help must not wait for torch."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's interface
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's interface
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"core.cli.{_ELSEWHERE.get(cmd_name, cmd_name)}")
        command = getattr(module, f"{cmd_name}_" if keyword.iskeyword(cmd_name) else cmd_name)
        assert isinstance(command, click.Command)  # noqa: S101 - our own module
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            name = ctx.invoked_subcommand
            command = None if name is None else self.get_command(ctx, name)
            if command is None:
                raise
            if isinstance(error, click.NoSuchOption) and error.option_name == "--home":
                raise click.UsageError(f"--home goes before the command: `trialbook --home DIR {name}`", ctx) from None
            # click's parser does not tell whose option lacks its argument
            error.ctx = error.ctx or click.Context(command, info_name=name, parent=ctx)
            raise

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's interface
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


Console = Callable[[Path], int]
"""Runs the console on a home directory and returns its exit status."""


@click.group(cls=_LazyGroup, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--home",
    envvar="TRIALBOOK_HOME",
    type=click.Path(path_type=Path),
    default=Path(),
    help="The directory with saved_models/ in it; default: $TRIALBOOK_HOME or the current directory.",
)
@click.version_option(package_name="trialbook")
@click.pass_context
def trialbook(context: click.Context, home: Path) -> int:
    """Improve a fully connected image classifier trial by trial; without a command, in a console on the screen."""
    if working_directory() is None:  # without one PyTorch finds not even its own libraries
        raise TrialbookError("the current directory has been removed; change to another one")
    try:
        str(home).encode()
    except UnicodeEncodeError:
        raise click.UsageError("--home: the directory's name is not UTF-8") from None
    console: Console | None = context.obj
    context.obj = home
    if context.invoked_subcommand is not None:
        return 0
    if console is None:
        click.echo(context.get_help())
        return 0
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.UsageError("the console needs a terminal; `trialbook train` works without one")
    return console(home)


def main(console: Console | None = None) -> None:
    """Run the command line and exit: 0, 1 after an error in one line, 2 for wrong usage, 128 + N after signal N.

    Args:
        console: What runs where no subcommand is given; None: the help is shown.
    """
    # OpenMP's threads spin while they wait, by default for so long that two trainings on the same cores took forty
    # times as long as one; a third of a millisecond is most of the gain, and makes two only a little slower
    os.environ.setdefault("GOMP_SPINCOUNT", "5000")
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # as nohup has it for SIGHUP
            signal.signal(number, _end)  # by an exception, so that nothing half built is left behind
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by whoever started us
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - until the end
        if isinstance(stream := getattr(sys, name), io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a foreign name may have letters that the terminal lacks
    sys.exit(run(sys.argv[1:], console))


def run(arguments: list[str], console: Console | None = None) -> int:
    """Run the command line, or the console if one is given and no subcommand is; return the exit status."""
    try:
        result = trialbook.main(arguments, prog_name="trialbook", standalone_mode=False, obj=console)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        _complain(_with_usage(error))
        return error.exit_code
    except TrialbookError as error:
        # only wrong settings are several lines: a newline in another error is part of somebody's name for something
        for line in error.problems if isinstance(error, SettingsError) else (str(error),):
            _complain(line)
    except (click.Abort, KeyboardInterrupt) as error:
        if not isinstance(error.__cause__, EOFError):
            return INTERRUPTED
        _complain(_unexpected(error.__cause__))  # which click takes for a Ctrl-D at a prompt; there are no prompts
    except BrokenPipeError:  # whoever read our output has had enough
        _drop_output()
    except OSError as error:
        _drop_output()
        _complain(f"{error.filename or 'input or output'}: {error.strerror or error}")
    except Exception as error:
        _complain(_unexpected(error))
    return 1


def _with_usage(error: click.ClickException) -> str:
    """Return what is wrong, and how to be told the usage of the command that was meant."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    message = error.format_message().rstrip(".")
    asks = "" if message.endswith("?") else ";"  # "Did you mean '--from'?"
    return f"{message}{asks} `{context.command_path if context else 'trialbook'} --help` tells the usage"


def _end(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


def _drop_output() -> None:
    """Send what is still buffered nowhere: writing it would raise again at the interpreter's end."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complain(message: str) -> None:
    with contextlib.suppress(OSError):  # where even this cannot be written, the exit status tells
        click.echo(f"trialbook: {printable(message, 2_000)}", err=True)


def _unexpected(error: BaseException) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(frame.filename).name}:{frame.lineno}"
    return f"unexpected error, please report it: {where}: {type(error).__name__}: {error}"
