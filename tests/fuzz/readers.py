"""The readers of what lists, curves and reports show of trials; `READERS` names all readers, those of others too."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path

from core.errors import TrialbookError
from tests.fuzz import data_readers, settings_readers, weight_readers
from tests.fuzz.mutations import Draw, damaged_bytes, deep
from tests.fuzz.reader import OneFile, Reader, TrialFiles, harmless
from tests.fuzz.trial_damages import body_with_checksum, history_damage, json_damage, line, weights_damage
from tests.fuzz.weight_readers import Checkpoints

_JSON_WORST = (
    lambda: deep(b"[", b"]"),
    lambda: b'{"a":' * 500_000,
    lambda: b'{"a": [' + b"{}," * 3_000_000 + b"{}]}",
    lambda: b'{"a": [' + b"[]," * 3_300_000 + b"[]]}",
    lambda: b'{"a": [' + b'"ab",' * 1_900_000 + b'""]}',
    lambda: b'{"a": [' + b"1.5," * 2_400_000 + b"1]}",
    lambda: b'{"a": "' + "\U0001f469".encode() * 2_400_000 + b'"}',
    lambda: b'{"a": ' + b"9" * 5_000_000 + b"}",
    lambda: b'{"a": "' + b"x" * 100_000_000 + b'"}',
    lambda: b'{"status": ' + b'{"a":' * 90 + b"1" + b"}" * 91,
    lambda: b" " * 9_000_000 + b"{}",
    lambda: b'{"status": "' + b"\\u001b" * 1_000_000 + b'"}',
)


class History(TrialFiles):
    """The history of a trial, with the curves and the rules that are drawn and read of it."""

    share = 100
    damages = {"history.jsonl": history_damage}
    worst = (
        lambda: b"\n" * 90_000_000,
        lambda: b"{}\n" * 10_000_000,
        lambda: b"x" * 99_000_000 + b"\n",
        lambda: b"\0" * 120_000_000,
        lambda: b"".join(line(at + 1) for at in range(100_000)),
        lambda: line(1) + line(10**18),
        lambda: line(1) * 3_000,
        lambda: b'{"epoch": ' + b"[" * 100_000 + b"\n",
        lambda: body_with_checksum(b'{"epoch": ' + b"[" * 100_000),
        lambda: body_with_checksum(b'{"epoch": ' + b"9" * 100_000),
    )

    def read(self) -> object:
        from core.diagnosis import diagnose
        from core.early_stopping import best_epoch
        from core.report.curves import accuracy_chart, cost_chart
        from core.trials.summary import figures
        from core.trials.trial import Trial

        history, problems = Trial(self.directory).history()
        assert len(problems) < 1_000
        for found in diagnose(history, Trial(self.directory).settings(), classes=10):
            harmless(str(found))
        best = best_epoch(history)
        if best is None:
            return None
        few = history[:500]
        for chart in (cost_chart, accuracy_chart):
            harmless(chart(few, min(few, key=lambda epoch: epoch.best_cost), (), "title"))
        _plot(few)
        return json.dumps(figures(best), allow_nan=False)


def _plot(history: list) -> None:  # type: ignore[type-arg]
    from tui.plot.curves import Run, curves_of
    from tui.plot.figure import draw
    from tui.plot.view import View

    run = Run("title", tuple(history), len(history))
    for view in (View(), View(quantity="accuracy"), View(log=True, smoothing=0.6)):
        draw(
            curves_of(run, None, (), view),
            view.window(len(history)),
            (60, 12),
            view.is_log,
            view.quantity == "accuracy",
        )


class ListedFiles(TrialFiles):
    """The files that lists of trials read, with the lists of the command line and of the console."""

    share = 130
    damages = {"summary.json": json_damage, "about.json": json_damage, "ran_on.json": json_damage}
    worst = _JSON_WORST

    def read(self) -> object:
        from core.cli.trials import _COLUMNS, result_of
        from core.text import one_line_json
        from core.trials.lineage import ancestors
        from core.trials.repeats import repeats_of
        from core.trials.selection import selection_of
        from core.trials.store import find_trial, list_trials
        from tui.widgets.trial_detail import detail_of, known_of
        from tui.widgets.trial_rows import build_rows

        listed = list_trials(self.home)
        for one in listed:
            for _, _, value in _COLUMNS:
                harmless(value(one).plain)
            harmless(one_line_json(result_of(one)))
            selection_of(listed, one.summary.get("fingerprint"))
            parent = one.summary.get("parent")
            ancestors(self.home, parent if isinstance(parent, str) else None)
        repeats_of(listed)
        known = known_of(listed)
        for built in build_rows(listed).values():
            harmless(detail_of(built.listed, built.parent_title, known).plain)
        return find_trial(self.home, "last").ran_on()


class AboutJson(ListedFiles):
    """What people say about a trial, at its worst."""

    share = 30
    damages = {"about.json": json_damage, "summary.json": json_damage}


class RanOnJson(ListedFiles):
    """What a trial ran on, at its worst, with all that is worked out from it."""

    share = 60
    damages = {"ran_on.json": json_damage}

    def read(self) -> object:
        from core.trials.contents import UnsoundError, shape_of
        from core.trials.trial import Trial
        from core.verdict import trial_verdict
        from tui.runs import read_shown

        trial = Trial(self.directory)
        read_shown(trial)
        trial_verdict(Trial(self.first), trial)
        with contextlib.suppress(UnsoundError):
            shape_of(trial.ran_on())
        return _film(self.directory)


class LiveJson(TrialFiles):
    """How far the epoch in progress is, as another process tells it."""

    share = 60
    damages = {"live.json": json_damage}
    worst = _JSON_WORST

    def more(self) -> None:
        summary = json.loads(self.valid["summary.json"]) | {"status": "running"}
        ran_on = json.loads(self.valid["ran_on.json"])
        ran_on["process"]["host"] = "elsewhere"
        (self.directory / "summary.json").write_text(json.dumps(summary))
        (self.directory / "ran_on.json").write_text(json.dumps(ran_on))
        self.valid["live.json"] = self.seeds.read("live.json")
        (self.directory / "live.json").write_bytes(self.valid["live.json"])

    def read(self) -> object:
        from core.trials.trial import Trial
        from core.trials.watch import watch_trial
        from tui.runs import read_shown

        read_shown(Trial(self.directory))
        return watch_trial(Trial(self.directory))


class Predictions(TrialFiles):
    """Predictions and test labels, with film, verdict and comparison."""

    share = 60
    damages = {"predictions": damaged_bytes, "test_labels": damaged_bytes}

    def read(self) -> object:
        from core.comparison import compare
        from core.trials.trial import Trial

        compare([Trial(self.first), Trial(self.directory)])
        return _film(self.directory)


def _film(directory: Path) -> object:
    from core.film import frame_of, read_film
    from core.trials.trial import Trial

    film = read_film(Trial(directory))
    return [frame_of(film, epoch) for epoch in range(1, min(film.epochs, 5) + 1)]


class Requests(OneFile):
    """What another process asks of a training."""

    share = 30
    name = "request"
    worst = (lambda: b"stop" * 10_000_000, lambda: b"\0" * 99)

    def damaged(self, draw: Draw, content: bytes) -> bytes:
        return damaged_bytes(draw, draw.choice((content, b"pause", b"resume\n", b"stop")))

    def read(self) -> object:
        from core.control import Control
        from core.trials.lease import Lease

        lease = object.__new__(Lease)  # without its thread and its lock
        lease._request, lease._control = self.path, Control()
        lease._obey()
        return None


class Commands(TrialFiles):
    """The commands that show trials, on a trial with damaged files: what they print must be harmless."""

    share = 18
    damages = {
        **Checkpoints.damages,
        **ListedFiles.damages,
        "test_labels": damaged_bytes,
        "model.pt": weights_damage,
    }

    def prepare(self) -> None:
        super().prepare()
        self.arguments: tuple[str, ...] = ("trials",)

    def write(self, draw: Draw, number: int) -> None:
        super().write(draw, number)
        page = str(self.place / "page")
        self.arguments = draw.choice(
            (
                ("trials",), ("trials", "--json"), ("show", "last"), ("show", "last", "--json"),
                ("show", "last", "--epoch", "2"), ("show", "last", "--epoch", "1", "--json"),
                ("compare", self.first.name, self.directory.name), ("report", "--html", f"{page}.html"),
                ("report", "--markdown", f"{page}.md"), ("trials", "--filter", "digits"), ("trash",),
                ("compare", self.first.name, self.directory.name, "--json"),
                ("check", "--from", "last", "--set", "x.y=1"),
            )
        )  # fmt: skip

    def read(self) -> object:
        from core.cli.main import run

        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = run(["--home", str(self.home), *self.arguments])
        harmless(out.getvalue())
        complaint = harmless(err.getvalue())
        assert "unexpected error" not in complaint, complaint
        assert status in (0, 1), complaint
        for file in (self.place / "page.html", self.place / "page.md"):
            if file.exists():
                harmless(file.read_text())
                file.unlink()
        if status:
            raise TrialbookError(complaint.splitlines()[0])
        return None


READERS: dict[str, type[Reader]] = {
    **settings_readers.READERS,
    "history": History,
    "lists": ListedFiles,
    "about": AboutJson,
    "ran_on": RanOnJson,
    "live": LiveJson,
    "predictions": Predictions,
    "request": Requests,
    "commands": Commands,
    **weight_readers.READERS,
    **data_readers.READERS,
}
