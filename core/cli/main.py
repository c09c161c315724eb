"""The command `trialbook`: finds the subcommand, and turns every error into one line and an exit status."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from pathlib import Path

import click

from core.errors import TrialbookError
from core.text import printable

COMMANDS = {
    "train": "Train a trial and save it.",
    "check": "Say in seconds whether settings can work.",
    "evaluate": "Evaluate a saved trial or a file of weights on its test set.",
    "trials": "List the saved trials.",
    "show": "Show one saved trial.",
    "presets": "List the presets.",
    "data": "List the data sets, or download one.",
}
INTERRUPTED = 130


class _LazyGroup(click.Group):
    """A group whose commands are imported when they are called: the help must not wait for torch."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's interface
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's interface
        if cmd_name not in COMMANDS:
            return None
        command = getattr(importlib.import_module(f"core.cli.{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command)  # noqa: S101 - our own module
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's interface
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


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
def trialbook(context: click.Context, home: Path) -> None:
    """Improve a fully connected image classifier trial by trial."""
    context.obj = home
    if context.invoked_subcommand is None:
        click.echo(context.get_help())
        click.echo("\nThere is no console yet; `trialbook train` trains on the built-in digits.")


def main() -> None:
    """Run the command line and exit: 0, 1 after an error in one line, 2 for wrong usage, 130 after Ctrl-C."""
    # threads that spin while they wait take the cores from whatever else runs: two trainings would crawl
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run the command line; return its exit status."""
    try:
        result = trialbook.main(arguments, prog_name="trialbook", standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        _complain(f"{error.format_message().rstrip('.')}; `trialbook --help` tells the usage")
        return error.exit_code
    except TrialbookError as error:
        for line in str(error).splitlines():
            _complain(line)
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:  # whoever read our output has had enough; what is still buffered must not raise again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except Exception as error:
        _complain(f"unexpected error, please report it: {_where(error)}: {type(error).__name__}: {error}")
    return 1


def _complain(message: str) -> None:
    click.echo(f"trialbook: {printable(message, 2_000)}", err=True)


def _where(error: Exception) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(frame.filename).name}:{frame.lineno}"
