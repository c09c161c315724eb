"""How signals reach a training: Ctrl-C, Ctrl-Z, the end of the session and of the terminal."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

import click

from core.cli.output import err, out
from core.control import Control

_SHOW_CURSOR = b"\x1b[?25h"  # which the bar has hidden


@contextmanager
def signals(control: Control) -> Iterator[list[int]]:
    """Turn signals into requests to the training inside the block; yield the list of those that shall end it.

    A terminal that has gone ends the training as SIGHUP does, also where writing to it fails before the signal comes,
    or instead.
    """
    received: list[int] = []
    terminals = _terminals()

    def interrupt(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        if number == signal.SIGHUP:
            _drop_output([terminal for terminal in terminals if not os.isatty(terminal)])
        if number != signal.SIGINT or received.count(signal.SIGINT) > 1:
            control.stop()
        else:
            control.finish_epoch()
            # not through sys.stderr: the signal may come in the middle of a write to it
            with contextlib.suppress(OSError):  # nobody reads it: no reason to end otherwise than asked
                os.write(2, b"\nfinishing this epoch; Ctrl-C again stops now and keeps the epochs before\n")

    wanted = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    heard = [number for number in wanted if signal.getsignal(number) != signal.SIG_IGN]  # nohup ignores SIGHUP
    before = {number: signal.signal(number, interrupt) for number in heard}
    try:
        with _suspension(control):
            yield received
    except OSError as error:
        if error.errno != errno.EIO or all(os.isatty(terminal) for terminal in terminals):
            raise
        _drop_output(terminals)
        raise click.exceptions.Exit(128 + signal.SIGHUP) from error
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _terminals() -> list[int]:
    """Return which of the output streams are terminals."""
    found = []
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # what tests put there is no file
            if os.isatty(stream.fileno()):
                found.append(stream.fileno())
    return found


def _drop_output(descriptors: Sequence[int]) -> None:
    """Let what is written from now on, at the interpreter's end too, go nowhere instead of failing."""
    with open(os.devnull, "wb", buffering=0) as nowhere:
        for descriptor in descriptors:
            os.dup2(nowhere.fileno(), descriptor)


@contextmanager
def _suspension(control: Control) -> Iterator[None]:
    """Let Ctrl-Z pause the training before it stops the process inside the block, and let it go on afterwards.

    So the time that the process was stopped is no part of an epoch's, and others see that the training is paused.
    """
    if signal.getsignal(signal.SIGTSTP) != signal.SIG_DFL:  # ignored by whoever started us
        yield
        return
    asked, paused = False, False

    def ask(_number: int, _frame: FrameType | None) -> None:
        nonlocal asked, paused
        asked = True
        if control.finishing or control.stopping:  # then the training waits for nobody
            suspend()
        elif not control.paused:
            paused = True
            control.pause()

    def suspend() -> None:
        nonlocal asked, paused
        if not asked:
            return
        asked = False
        for console in (out, err):
            if console.is_terminal:  # not through its buffer: this may be in the middle of a write to it
                with contextlib.suppress(OSError, ValueError):
                    os.write(console.file.fileno(), _SHOW_CURSOR)
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        signal.pthread_kill(threading.get_ident(), signal.SIGTSTP)  # returns when the process goes on
        signal.signal(signal.SIGTSTP, ask)
        if paused:
            paused = False
            control.resume()

    signal.signal(signal.SIGTSTP, ask)
    control.idle = suspend
    try:
        yield
        suspend()  # where the training had no further step to wait before
    finally:
        control.idle = lambda: None
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
