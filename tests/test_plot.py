"""The curves as numbers, axes, and the drawing without a screen."""

from __future__ import annotations

import gc
import json
import math
import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.content import Content
from textual.style import Style

from tests.curves import epoch_with, run_of_length
from tui.plot.axes import Scale, epoch_ticks, scale_of, value_ticks
from tui.plot.curves import Curve, Run, best_of, curves_of, smoothed, thinned
from tui.plot.drawing import Drawing, Plan, drawing_of
from tui.plot.figure import ROLES, draw, mark_best, spread, with_crosshair
from tui.plot.reading import legend, number_text, packed, rate_text, readout, title
from tui.plot.view import SHORTEST, View

ANY_FLOAT = st.one_of(
    st.floats(width=64),
    st.sampled_from([math.nan, math.inf, -math.inf, 0.0, -0.0, 5e-324, 1e300, -1e300, 1.7e308, 1.0, 1.0 + 1e-15]),
)


def plain(_role: str) -> Style:
    return Style()


def drawing(run: Run, view: View | None = None, size: tuple[int, int] = (100, 24), **others: object) -> Drawing:
    view = view or View()
    parent, overlays = others.get("parent"), others.get("overlays", ())
    extent = max(run.epochs, len(run.history), 1)
    return drawing_of(Plan(run, parent, overlays, view, extent, size))  # type: ignore[arg-type]


def text(made: Drawing) -> list[str]:
    return ["".join(row) for row in made.picture.characters]


def test_smoothing_is_the_weighted_mean_of_all_values_so_far() -> None:
    values = [3.0, 1.0, 4.0, 1.0, 5.0]
    for weight in (0.6, 0.9):
        got = smoothed(values, weight)
        for index in range(len(values)):
            weights = [weight ** (index - i) for i in range(index + 1)]
            wanted = sum(w * v for w, v in zip(weights, values, strict=False)) / sum(weights)
            assert got[index] == pytest.approx(wanted)


def test_smoothing_leaves_gaps_and_is_not_poisoned_by_them() -> None:
    got = smoothed([2.0, math.nan, math.inf, 2.0], 0.9)
    assert got[0] == pytest.approx(2) and got[3] == pytest.approx(2)
    assert math.isnan(got[1]) and math.isnan(got[2])
    assert smoothed([1.0, 5.0], 0.0) == [1.0, 5.0]


@given(st.lists(ANY_FLOAT, min_size=1, max_size=400), st.integers(1, 60))
def test_thinning_keeps_every_columns_extremes_in_order(values: list[float], columns: int) -> None:
    epochs = list(range(1, len(values) + 1))
    kept, shown = thinned(epochs, values, 1, len(values), columns)
    assert kept == sorted(set(kept))
    assert len(kept) <= (3 if any(map(math.isnan, values)) else 2) * columns
    assert all(shown[i] == values[e - 1] or math.isnan(shown[i]) for i, e in enumerate(kept))
    finite = [value for value in values if not math.isnan(value)]
    if finite:
        drawn = [value for value in shown if not math.isnan(value)]
        assert (min(drawn), max(drawn)) == (min(finite), max(finite))
    assert any(map(math.isnan, values)) == any(map(math.isnan, shown))


def test_a_peak_of_one_epoch_among_thousands_is_drawn() -> None:
    history = tuple(epoch_with(n, test_cost=9.0 if n == 1717 else 1.0) for n in range(1, 3001))
    picture = drawing(Run("t", history, 3000)).picture
    column = picture.column(1717)
    assert "test" in {picture.roles[row][column] for row in range(3)}


@pytest.mark.parametrize("epoch", [6, 7, 12])
def test_the_mark_of_the_best_epoch_covers_no_label(epoch: int) -> None:
    level = [2.0, *[1.0] * 19]
    before = Curve("p train", "parent", "dashed", "p", tuple(range(1, 6)), tuple(level[:5]))
    own = Curve("test", "test", "solid", "", tuple(range(1, 21)), tuple(level))
    canvas = draw([before, own], (1, 20), (100, 12), log=False, percent=False)
    mark_best(canvas, own, epoch)
    text = "\n".join("".join(row) for row in canvas.characters)
    assert "◆" in text and "p train" in text


def test_a_gap_is_not_bridged() -> None:
    history = tuple(epoch_with(n, test_cost=math.nan if 40 <= n <= 60 else 1.6) for n in range(1, 101))
    picture = drawing(Run("t", history, 100)).picture
    row = picture.row(1.6)
    assert row is not None
    assert picture.roles[row][picture.column(30)] == "test"
    assert picture.roles[row][picture.column(50)] == ""


def test_values_are_drawn_in_the_row_and_column_that_the_picture_names() -> None:
    history = tuple(epoch_with(n, test_cost=float(n), train_cost=math.nan) for n in range(1, 21))
    made = drawing(Run("t", history, 20), View(penalty=True))
    for epoch in (1, 7, 13, 20):
        row = made.picture.row(float(epoch))
        assert row is not None
        assert made.picture.roles[row][made.picture.column(epoch)] in ("test", "best")
        assert made.picture.epoch(made.picture.column(epoch)) == epoch


def test_signs_lie_on_their_curve() -> None:
    history = tuple(epoch_with(n, test_cost=float(n), train_cost=math.nan) for n in range(1, 8))
    parent = Run("p", history, 7)
    picture = drawing(Run("t", (), 7), parent=parent).picture
    found = [(r, c) for r in range(picture.rows) for c in range(90) if picture.characters[r][c] == "p"]
    points = {(picture.row(float(epoch)), picture.column(epoch)) for epoch in range(1, 8)}
    assert len([place for place in found if place in points]) >= 4
    assert all(place in points for place in found if place[1] < picture.left + picture.columns)


def test_which_curves_there_are() -> None:
    run, other = run_of_length(5, validation=True), run_of_length(3, "x" * 40)
    labels = [curve.label for curve in curves_of(run, other, [other], View())]
    assert labels[:3] == ["1 xxxxxxxx…xxx", "p train", "p test"] and labels[3:] == ["val", "train", "test"]
    assert [c.label for c in curves_of(run, other, [], View(parent=False))] == ["val", "train", "test"]
    lines = {(curve.dash, curve.sign) for curve in curves_of(run, other, [other, other], View())}
    assert len(lines) == 7, "without colours every line differs by its dashes or its sign"


def test_accuracy_is_in_percent_and_the_penalty_can_be_left_out() -> None:
    run = Run("t", (epoch_with(1, train_cost=3.0, train_cross_entropy=1.0, test_accuracy=0.25),), 1)
    assert [c.values for c in curves_of(run, None, [], View())] == [(3.0,), (1.6,)]
    assert [c.values for c in curves_of(run, None, [], View(penalty=False))] == [(1.0,), (1.6,)]
    assert [c.values for c in curves_of(run, None, [], View(quantity="accuracy"))] == [(50.0,), (25.0,)]


def test_the_best_epoch_ignores_what_is_no_number() -> None:
    history = tuple(epoch_with(n, test_cost=cost) for n, cost in enumerate((math.nan, 2.0, 1.0, 1.0), 1))
    best = best_of(Run("t", history, 4))
    assert best is not None and best.epoch == 3
    assert best_of(Run("t", history[:1], 4)) is None


def test_the_best_epoch_is_marked_and_labelled() -> None:
    run = run_of_length(80)
    best = min(run.history, key=lambda epoch: epoch.test_cost)
    made = drawing(run)
    row, column = made.picture.row(best.test_cost), made.picture.column(best.epoch)
    assert row is not None and made.picture.characters[row][column] == "◆"
    assert any(f"best {best.epoch}" in line for line in text(made))
    zoomed = drawing(run, View(first=1, last=8))
    assert not any("◆" in line for line in text(zoomed))


def test_the_labels_stand_behind_their_curves_on_rows_of_their_own() -> None:
    runs = tuple(run_of_length(50, f"other {i}", seed=i) for i in range(6))
    made = drawing(run_of_length(50), parent=run_of_length(50, seed=9), overlays=runs)
    lines = text(made)
    for label in (*(f"{i + 1} other {i}" for i in range(6)), "p train", "p test", " train", " test"):
        assert sum(label in line[made.picture.left + made.picture.columns :] for line in lines) >= 1, label
    live = drawing(run_of_length(20, planned=100))
    ends = {line.index("test") for line in text(live) if "test" in line}
    assert ends == {live.picture.column(20) + 2}


@given(st.lists(st.floats(-5, 45), max_size=20))
def test_spread_rows_are_distinct_in_order_and_inside(wanted: list[float]) -> None:
    rows = spread(sorted(wanted), 30)
    assert rows == sorted(set(rows)) and len(rows) == len(wanted)
    assert all(0 <= row < 30 for row in rows)


def test_labels_with_room_stay_where_they_are() -> None:
    assert spread([3.2, 10.0, 20.9], 30) == [3, 10, 21]
    assert spread([5.0, 5.0, 5.0], 30) == [4, 5, 6]


def test_ticks_are_few_round_and_in_order() -> None:
    assert [label for _, label in value_ticks(Scale(0, 2.0), 30, False)][:3] == ["0.00", "0.25", "0.50"]
    assert [label for _, label in value_ticks(Scale(28, 62), 20, True)] == [f"{n} %" for n in range(30, 61, 5)]
    assert [label for _, label in value_ticks(Scale(-2.1, 1.1, True), 20, False)] == [
        "0.01",
        "0.03",
        "0.1",
        "0.3",
        "1",
        "3",
        "10",
    ]
    assert [label for _, label in value_ticks(Scale(1.2, 2.3), 6, False)] == ["1.5", "2.0"]
    assert epoch_ticks(1, 160, 100)[:3] == [1, 20, 40] and epoch_ticks(1, 160, 100)[-1] == 160
    assert epoch_ticks(7, 7, 50) == [7]
    assert epoch_ticks(1, 4, 100) == [1, 2, 3, 4]


@given(st.lists(ANY_FLOAT, max_size=6), st.booleans(), st.booleans(), st.integers(1, 60))
def test_any_values_have_an_axis_with_ticks_inside(values: list[float], log: bool, percent: bool, rows: int) -> None:
    scale = scale_of(values, log, percent)
    drawable = [v for v in values if abs(v) <= 1e300 and (v >= 1e-300 or not log)]
    assert (scale is None) == (not drawable)
    if scale is not None:
        assert all(0 <= scale.fraction(value) <= 1 for value in drawable)
        ticks = value_ticks(scale, rows, percent)
        assert len(ticks) <= 10 and all(cell_len(label) <= 14 for _, label in ticks)


def test_a_logarithmic_axis_has_no_place_for_zero_and_less() -> None:
    scale = scale_of([0.0, -1.0, 1.0, 100.0], True, False)
    assert scale is not None and math.isnan(scale.fraction(0.0)) and math.isnan(scale.fraction(-1.0))
    assert scale.fraction(10.0) == pytest.approx(0.5)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(ANY_FLOAT, ANY_FLOAT), max_size=30),
    st.integers(10, 150),
    st.integers(3, 50),
    st.sampled_from([View(), View(log=True), View(smoothing=0.9), View(quantity="accuracy"), View(first=3, last=9)]),
    st.integers(0, 40),
)
def test_anything_can_be_drawn_at_any_size(
    costs: list[tuple[float, float]], width: int, height: int, view: View, planned: int
) -> None:
    history = tuple(
        epoch_with(n, train_cost=a, train_cross_entropy=b, test_cost=b, test_accuracy=a, learning_rate=b)
        for n, (a, b) in enumerate(costs, 1)
    )
    run = Run("x", history, planned)
    made = drawing(run, view, (width, height), parent=run, overlays=(run,))
    crossed = with_crosshair(made.picture, made.curves, 3)
    for picture in (made.picture, crossed):
        assert len(picture.characters) == len(picture.roles) == height
        assert all(cell_len("".join(row)) == width for row in picture.characters)
        assert {role for row in picture.roles for role in row} <= {*ROLES, "", "best", "crosshair", "cursor"}
    for part in (*readout(run, run, [run], view, 3, plain), *legend(run, run, [run], view, plain)):
        assert part.plain


def test_one_point_is_seen() -> None:
    made = drawing(Run("t", (epoch_with(1),), 30))
    assert sum(line.count("•") for line in text(made)) == 1  # the train cost; the test cost's is the best epoch
    assert sum(line.count("◆") for line in text(made)) == 1


def test_a_wide_foreign_title_neither_breaks_the_grid_nor_the_terminal() -> None:
    evil = "[red]漢字\x1b[31m漢[/b]"
    made = drawing(run_of_length(30), overlays=(run_of_length(30, evil),))
    assert all(cell_len(line) == 100 for line in text(made))
    parts = legend(run_of_length(3), None, [run_of_length(3, evil)], View(), plain)
    everything = "".join([*text(made), *(part.plain for part in parts)])
    assert "\x1b" not in everything and "漢" in everything and "[red]" in everything


def test_small_sizes_drop_labels_and_ticks_first() -> None:
    run = run_of_length(30)
    assert any("test" in line for line in text(drawing(run, size=(60, 12))))
    narrow = text(drawing(run, size=(40, 12)))
    assert not any("test" in line for line in narrow) and any("1.50" in line for line in narrow)
    assert not any(c.isdigit() for c in "".join(text(drawing(run, size=(24, 5)))))


def test_the_picture_is_the_same_in_every_process_and_the_next_time() -> None:
    run = run_of_length(200)
    assert text(drawing(run)) == text(drawing(run))


def test_the_view_survives_json_and_nonsense() -> None:
    view = View("accuracy", False, True, 0.6, False, 3, 40, 17)
    assert View.from_dict(json.loads(json.dumps(view.to_dict()))) == view
    for nonsense in (None, 3, [], "x", {}, {"quantity": 5, "log": "yes", "smoothing": [], "crosshair": True}):
        assert View.from_dict(nonsense) == View()
    odd = {"first": 9, "last": 2, "crosshair": -4, "smoothing": 0.7}
    assert View.from_dict(odd) == View()
    assert View.from_dict({"first": 10**12, "last": 10**13}) == View()


@given(st.lists(st.tuples(st.sampled_from("zoap"), st.integers(-3, 400)), max_size=12), st.integers(1, 300))
def test_zoom_and_pan_stay_inside(steps: list[tuple[str, int]], extent: int) -> None:
    view = View()
    for kind, number in steps:
        if kind == "p":
            view = view.panned(number, extent)
        elif kind == "a":
            view = view.with_crosshair(max(1, min(number, extent)), extent)
            first, last = view.window(extent)
            assert view.crosshair is not None and first <= view.crosshair <= last
        else:
            view = view.zoomed(kind == "z", number, extent)
        first, last = view.window(extent)
        assert 1 <= first <= last <= extent
        assert last - first + 1 >= min(SHORTEST, extent)


def test_zoom_keeps_the_epoch_in_its_place_and_comes_back() -> None:
    view = View().zoomed(True, 80, 160)
    assert view.window(160) == (40, 120)
    assert view.zoomed(False, 80, 160).first is None
    assert view.panned(1, 160).window(160) == (60, 140)
    assert View(first=100, last=160).window(50) == (1, 50), "a shorter trial cuts the window"


def test_numbers_are_written_as_people_read_them() -> None:
    assert [rate_text(rate) for rate in (1e-3, 9.5e-4, 0.05, 0.0, 1.234e-5)] == [
        "1e-3",
        "9.5e-4",
        "0.05",
        "0",
        "1.234e-5",
    ]
    assert [number_text(v) for v in (1.23456, math.nan, math.inf, 123456.0, 0.0)] == [
        "1.2346",
        "NaN",
        "inf",
        "1.235e+05",
        "0.0000",
    ]


def test_the_readout_has_the_exact_values_and_the_difference_to_the_parent() -> None:
    now = epoch_with(37, train_cost=1.2345, train_cross_entropy=1.2, test_cost=1.3456, train_accuracy=0.5712)
    run = Run("t", (now,), 160)
    parent = Run("p", (replace(now, test_cost=1.3579, test_accuracy=0.4458),), 160)
    parts = [part.plain for part in readout(run, parent, [], View(smoothing=0.9), 37, plain)]
    assert parts == [
        "epoch 37",
        "train 1.2345",
        "test 1.3456",
        "gap +0.1456",
        "accuracy 57.12 % / 45.00 %",
        "vs parent: test cost -0.0123 better",
        "accuracy +0.42 points better",
        "lr 1e-3",
    ]
    without = [part.plain for part in readout(run, None, [], View(penalty=False), 37, plain)]
    assert without[1] == "train 1.2000"
    later = [part.plain for part in readout(run, parent, [run], View(), 38, plain)]
    assert later == ["epoch 38", "not reached", "parent: ended at epoch 37", "1 t: ended at epoch 37"]


def test_the_title_names_the_modes() -> None:
    run = run_of_length(10, "mine", planned=160)
    assert title(run, View(), 160, plain).plain == "mine  cost"
    view = View(log=True, smoothing=0.6, penalty=False, first=10, last=40)
    assert title(run, view, 160, plain).plain == "mine  cost  without penalty, log, smoothed 0.6, epochs 10-40 of 160"
    view = replace(view, quantity="accuracy", first=None, last=None, smoothing=0.0)
    assert title(run, view, 160, plain).plain == "mine  accuracy", "an accuracy has no penalty and no logarithm"


def test_lines_are_packed_without_tearing() -> None:
    parts = [Content(word) for word in ("aaaa", "bbbb", "cccc", "dddd")]
    assert [line.plain for line in packed(parts, 10, 3)] == ["aaaa  bbbb", "cccc  dddd"]
    assert [line.plain for line in packed(parts, 12, 1)] == ["aaaa  bbbb …"]
    assert packed(parts, 10, 0) == []


def test_eight_trials_of_300_epochs_draw_fast() -> None:
    runs = tuple(run_of_length(300, f"t{i}", seed=i) for i in range(8))
    plan = Plan(runs[0], runs[1], runs[2:], View(smoothing=0.6), 300, (120, 35))
    drawing_of(plan)  # plotext is imported once
    gc.collect()
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        drawing_of(plan)
        times.append(time.perf_counter() - begin)
    print(f"8 x 300 epochs at 120x35: {1000 * min(times):.0f} ms")  # noqa: T201
    assert min(times) < 0.25, "about 40 ms on a quiet machine"


def test_a_curve_without_points_says_nothing() -> None:
    curve = Curve("x", "test", "solid", "", (), ())
    picture = draw([curve], (1, 10), (60, 12), False, False)
    assert picture.is_empty and math.isnan(curve.at(3))
    assert any("10" in "".join(row) for row in picture.characters), "the planned epochs are there already"
