"""The report: what it tells of each trial, what it refuses to let through, and what it does with damaged files."""

from __future__ import annotations

import html.parser
import itertools
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, precision_score, recall_score

from core.control import Control
from core.data.dataset import Dataset
from core.diagnosis import diagnose_trial
from core.events import Finished
from core.presets import preset
from core.replay import replay
from core.report import make_report, write_markdown
from core.report.content import Report
from core.report.curves import WIDTH, accuracy_chart, cost_chart, epoch_ticks, round_ticks, spread, thinned, tick_text
from core.report.html import render_html
from core.report.markdown import escaped, render_markdown
from core.session import train
from core.settings import Settings, change_settings
from core.trials.lease import Lease
from core.trials.trial import ABOUT, HISTORY, PREDICTIONS, RAN_ON, SETTINGS, SUMMARY, Trial
from core.verdict import trial_verdict
from tests.conftest import Ran
from tests.curves import epoch_with, run_of_length

Trialbook = Callable[..., Ran]
EVIL = "<script>alert(1)</script>]]>\"'&\x1b[31m\x9b\u202e](javascript:x) | `b` <img src=x onerror=y> {{ 7*7 }}"


class Page(html.parser.HTMLParser):
    """All tags, attributes and text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    @property
    def words(self) -> str:
        return " ".join(self.text.split())


def trained(settings: Settings, data: Dataset, home: Path, **about: object) -> Trial:
    *_, ended = train(settings, data, home=home, **about)  # type: ignore[arg-type]
    assert isinstance(ended, Finished)
    return ended.trial


@pytest.fixture
def two(home: Path, digits: Dataset, small: Settings) -> tuple[Trial, Trial]:
    """A trial and one that was changed from it."""
    first = trained(small, digits, home, name="first")
    changed = change_settings(small, {"training.learning_rate": 0.01, "training.epochs": 4})
    return first, trained(changed, digits, home, note="faster", tags=("rate",), parent=first.id)


def put(trial: Trial, name: str, /, **values: object) -> None:
    path = trial.directory / name
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_a_report_tells_what_changed_and_whether_it_is_real(home: Path, two: tuple[Trial, Trial]) -> None:
    report = make_report(home)
    first, second = report.trials
    assert (first.title, first.base, first.changes) == ("first", None, ())
    assert second.base is not None and (second.base.words, second.base.number) == ("first", 1)
    assert second.changes == ("learning rate: 0.001 → 0.01", "epochs: 2 → 4")
    assert second.verdict == trial_verdict(*two)
    assert second.last is not None
    assert second.gap == pytest.approx(second.last.test_cost - second.last.train_cross_entropy)
    page = Page(render_html(report)).words
    assert "since 1: learning rate: 0.001 → 0.01; epochs: 2 → 4 faster" in page
    assert f"{second.verdict}" in page
    assert report.data[0].selection.startswith("The 360 test images were used to choose among 2 trials")
    assert report.data[0].selection in page
    assert f"Accuracy on test set : {100 * second.last.test_accuracy:.4f}%" in page


def test_the_final_network_is_the_best_and_its_evaluation_that_of_sklearn(home: Path, two: tuple[Trial, Trial]) -> None:
    (data,) = make_report(home).data
    assert data.best is not None and data.evaluated is not None
    best = two[data.best.number - 1]
    accuracies = [trial.summary()["last"]["test_accuracy"] for trial in two]
    assert accuracies[data.best.number - 1] == max(accuracies)
    labels, predicted = best.test_labels(), best.predictions(best.summary()["last"]["epoch"])
    assert (np.array(data.evaluated.matrix) == confusion_matrix(labels, predicted, labels=range(10))).all()
    for each, values in (
        ([row.recall for row in data.evaluated.classes], recall_score(labels, predicted, average=None)),
        (
            [row.precision or 0.0 for row in data.evaluated.classes],
            precision_score(labels, predicted, average=None, zero_division=0),
        ),
    ):
        assert each == pytest.approx(list(values))
    assert data.layers[1][:3] == ("1", "64", "16")
    assert sum(int(row[-1].replace(",", "")) for row in data.layers[1:]) == best.summary()["parameters"]
    assert dict(data.settings)["data"] == "digits"
    counts = [count for _, _, count in data.evaluated.confusions]
    assert counts == sorted(counts, reverse=True) and all(counts)


@pytest.mark.usefixtures("two")
def test_a_page_is_one_file_without_script_or_anything_from_elsewhere(home: Path) -> None:
    text = render_html(make_report(home))
    page = Page(text)
    names = [tag for tag, _ in page.tags]
    assert not {"script", "link", "img", "iframe", "object", "base"} & set(names)
    assert "@import" not in text and "url(" not in text
    assert names.count("svg") == 4 and names.count("h1") == 1
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in page.tags:
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in ("href", "src"):
                assert value is not None and value.startswith("#") and value[1:] in ids


@pytest.fixture
def evil(home: Path, two: tuple[Trial, Trial]) -> Report:
    """A report in which every foreign text is an attack."""
    first, second = two
    about = {"name": EVIL, "note": EVIL, "tags": [EVIL]}
    put(first, ABOUT, **about)
    put(second, ABOUT, **about)
    for trial in two:
        ran_on = json.loads((trial.directory / RAN_ON).read_text())
        ran_on["data"] |= {"source": f"/x/{EVIL}".replace("</", "<"), "classes": [f"{EVIL}{at}" for at in range(10)]}
        (trial.directory / RAN_ON).write_text(json.dumps(ran_on))
    put(second, SUMMARY, reason=EVIL, hidden=EVIL, status="stopped", changes=EVIL)
    third = Trial(shutil.copytree(second.directory, second.directory.with_name("20990101-000000-00aaaa")))
    put(third, SUMMARY, parent=EVIL, status=EVIL, created=EVIL, hidden=EVIL, source=EVIL)
    text = (third.directory / SETTINGS).read_text().replace('"relu"', json.dumps(EVIL))
    (third.directory / SETTINGS).write_text(text)
    with (third.directory / HISTORY).open("a") as file:
        file.write(f"{EVIL}\n")
    return make_report(home)


def test_foreign_texts_are_shown_and_never_obeyed(evil: Report) -> None:
    text = render_html(evil)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)
    page = Page(text)
    names = {tag for tag, _ in page.tags}
    assert not {"script", "img"} & names
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert all(attributes["href"].startswith("#") for _, attributes in page.tags if attributes.get("href"))  # type: ignore[union-attr]
    assert page.text.count("<script>alert(1)</script>") > 20
    assert "\\x1b[31m\\x9b\\u202e](javascript:x)" in page.text
    assert "{{ 7*7 }}" in page.text


def test_foreign_texts_are_no_markdown_either(evil: Report, tmp_path: Path) -> None:
    text = render_markdown(evil, "curves")
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)
    unescaped = re.sub(r"\\[!-/:-@\[-`{-~]", "", text)  # what is escaped is only shown
    assert "<script" not in unescaped and "<img" not in unescaped
    assert "](javascript" not in unescaped
    assert unescaped.count("](<curves/") == 6  # the curves, and no other link
    assert len(re.findall(r"\]\(", unescaped)) == 6
    tables = [line for line in unescaped.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in tables[:5]}) == 1
    write_markdown(evil, tmp_path / "r.md")
    for file in (tmp_path / "r-curves").iterdir():
        tree = ElementTree.parse(file)
        tags = {element.tag.rpartition("}")[2] for element in tree.iter()}
        assert tags <= {"svg", "title", "desc", "style", "rect", "text", "line", "polyline", "circle"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a|b", r"a\|b"),
        ("[x](javascript:y)", r"\[x\]\(javascript:y\)"),
        ("<b>&amp;", r"\<b\>\&amp;"),
        ("https://x.y www.x.y a@b.c", r"https\://x.y www\.x.y a\@b.c"),
        ("- no list", r"\- no list"),
        ("1. no list", r"1\. no list"),
        ("    no code", "no code"),
        ("\n# no heading", r"\\x0a\# no heading"),
    ],
)
def test_what_markdown_would_obey_is_escaped(text: str, shown: str) -> None:
    assert escaped(text) == shown


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        (SUMMARY, "{", "summary.json: it is not JSON"),
        (SETTINGS, "[training]\nepochs = 0", "training.epochs: 0 is not allowed"),
        (HISTORY, "nonsense\n", "line 1 is damaged"),
        (RAN_ON, "[]", "ran_on.json: it is not a JSON object"),
    ],
)
def test_a_damaged_trial_is_listed_with_what_is_wrong(
    home: Path, two: tuple[Trial, Trial], file: str, content: str, told: str
) -> None:
    (two[1].directory / file).write_text(content)
    report = make_report(home)
    assert len(report.trials) == 2
    problems = [*report.trials[1].problems, *report.data[0].problems]
    assert any(told in problem for problem in problems) or file == RAN_ON
    for text in (Page(render_html(report)).words, render_markdown(report, "c").replace("\\", "")):
        assert "first" in text
        assert told in text or file == RAN_ON
        assert str(home) not in text


def test_the_curves_are_diagnosed(home: Path, digits: Dataset, small: Settings) -> None:
    long = trained(change_settings(small, {"training.epochs": 12}), digits, home)
    part = make_report(home).trials[0]
    assert part.diagnosis == tuple(map(str, diagnose_trial(long)))
    assert part.diagnosis
    assert part.diagnosis[0] in Page(render_html(make_report(home))).words


def test_a_verdict_that_makes_no_sense_is_worked_out_anew(home: Path, two: tuple[Trial, Trial]) -> None:
    put(two[1], SUMMARY, verdict={"images": 360, "gained": -5, "lost": 0, "p": 0.5})
    assert make_report(home).trials[1].verdict == trial_verdict(*two)


def test_without_predictions_the_evaluation_says_why(home: Path, two: tuple[Trial, Trial]) -> None:
    for trial in two:
        (trial.directory / PREDICTIONS).write_bytes(b"")
    (data,) = make_report(home).data
    assert data.evaluated is None
    assert "its evaluation cannot be told" in data.problems[0]
    assert "holds no epoch" in Page(render_html(make_report(home))).words


def test_a_running_trial_is_told_but_never_the_best(home: Path, two: tuple[Trial, Trial]) -> None:
    put(two[1], SUMMARY, status="running")  # by this process, which is alive
    put(two[1], SUMMARY, last={**two[1].summary()["last"], "test_accuracy": 1.0})
    with Lease(two[1], Control()):
        report = make_report(home)
    assert report.trials[1].status == "running"
    assert report.data[0].best is not None and report.data[0].best.number == 1


def test_a_replay_is_told_against_the_trial_that_it_was_changed_from(home: Path, digits: Dataset) -> None:
    changes = {"data.source": "digits", "training.epochs": 1, "model.hidden": "16-8"}
    list(replay([preset("trial-13"), preset("trial-14")], digits, home=home, changes=changes))
    second = make_report(home).trials[1]
    assert second.base is not None and second.base.number == 1
    assert second.changes == ("L2 lambda: 0.003 → 0.005",)
    assert second.note == "cost falls to 1.141"
    assert second.verdict is not None


def test_trials_on_other_data_have_a_best_of_their_own(home: Path, two: tuple[Trial, Trial]) -> None:
    ran_on = json.loads((two[1].directory / RAN_ON).read_text())
    ran_on["data"] |= {"fingerprint": "other", "source": "/some/where/flowers"}
    (two[1].directory / RAN_ON).write_text(json.dumps(ran_on))
    report = make_report(home)
    assert [part.name for part in report.data] == ["digits", "flowers"]
    assert [part.best.number for part in report.data if part.best] == [1, 2]
    assert "/some/where" not in render_html(report)


@pytest.mark.usefixtures("two")
def test_the_command_writes_both_and_names_what_is_missing(trialbook: Trialbook, tmp_path: Path) -> None:
    ran = trialbook("report", "--html", tmp_path / "r.html", "--markdown", tmp_path / "r.md")
    assert (ran.status, ran.lines) == (0, [f"written: {tmp_path / 'r.html'}", f"written: {tmp_path / 'r.md'}"])
    assert len(list((tmp_path / "r-curves").iterdir())) == 4
    for link in re.findall(r"\(<(.+?)>\)", (tmp_path / "r.md").read_text()):
        assert (tmp_path / link).is_file()
    only = trialbook("report", "first", "--html", tmp_path / "one.html")
    assert only.status == 0
    assert "1 trial on digits" in (tmp_path / "one.html").read_text()
    assert trialbook("report").status == 2
    assert "there is no trial nobody" in trialbook("report", "nobody", "--html", tmp_path / "n.html").complaints[0]
    assert "cannot write" in trialbook("report", "--html", tmp_path / "no" / "r.html").complaints[0]


def test_an_empty_home_makes_an_empty_report(home: Path) -> None:
    assert "There are no trials." in Page(render_html(make_report(home))).words
    assert render_markdown(make_report(home), "c").startswith("# 0 trials")


def test_charts_keep_every_peak_and_stay_within_their_frame() -> None:
    history = list(run_of_length(5_000).history)
    history[2_345] = epoch_with(2_346, test_cost=9.0, train_cost=1.0)
    best = min(history, key=lambda epoch: epoch.best_cost)
    for draw in (cost_chart, accuracy_chart):
        root = ElementTree.fromstring(draw(history, best, history[:100], "t"))
        lines = [element for element in root.iter() if element.tag.endswith("polyline")]
        assert {line.get("class") for line in lines} >= {"test", "parent"}
        for line in lines:
            points = [tuple(map(float, pair.split(","))) for pair in str(line.get("points")).split()]
            assert len(points) <= 2 * WIDTH + 1
            assert all(0 <= x <= WIDTH and 0 <= y <= 250 for x, y in points)
            assert [x for x, _ in points] == sorted(x for x, _ in points)
    tops = [y for _, y in thinned([(at / 10, float(at == 777)) for at in range(3_000)])]
    assert max(tops) == 1.0


@pytest.mark.parametrize("values", [[1.0], [1.0, 1.0], [0.0, 0.0], [1e12, 1e-12], [2.0, 1.9999999]])
def test_any_history_can_be_drawn(values: list[float]) -> None:
    history = [epoch_with(number, test_cost=value, train_cost=value) for number, value in enumerate(values, 1)]
    root = ElementTree.fromstring(cost_chart(history, history[0], (), alone=True))
    assert "nan" not in ElementTree.tostring(root, encoding="unicode").lower()


def test_ticks_are_round_and_labels_do_not_overlap() -> None:
    assert round_ticks(0.9, 2.3, 5) == pytest.approx([0.5, 1.0, 1.5, 2.0, 2.5])
    assert epoch_ticks(1, 160) == [1, 50, 100, 150]
    assert epoch_ticks(1, 3) == [1, 2, 3]
    assert [tick_text(tick, [0.5, 0.6]) for tick in (0.5, 0.6)] == ["0.5", "0.6"]
    places = spread([100, 101, 30, 102], 14, 20, 110)
    ordered = sorted(places)
    assert all(after - before >= 14 for before, after in itertools.pairwise(ordered))
    assert max(places) <= 110 and min(places) >= 20
