"""The draft of the next trial: edits, wrong input, undo, and the command line that means the same."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import click
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.cli.options import Chosen, chosen_settings, train_arguments, trial_options
from core.presets import all_presets
from core.settings import FIELDS, Settings, change_settings
from tui.command_line import command_line
from tui.draft import (
    ALL_DROPOUTS,
    WIDTHS,
    Draft,
    Edits,
    after,
    begun,
    draft_from_dict,
    draft_to_dict,
    edited,
    restored,
    stepped,
    with_layers,
)
from tui.widgets.architecture import OUTPUT_L2
from tui.widgets.settings_form import GROUPS, is_unused


def test_every_setting_is_in_one_form() -> None:
    in_form = {path for _, paths in GROUPS for path in paths}
    in_table = {f"model.hidden.*.{name}" for name in ("width", "batch_norm", "activation", "dropout", "l2")}
    assert in_form | in_table | {OUTPUT_L2} == set(FIELDS)
    assert in_form & in_table == {ALL_DROPOUTS}


def test_wrong_input_is_kept_beside_the_last_valid_value() -> None:
    draft = edited(Draft(), "training.learning_rate", "fast")
    assert draft.wrong["training.learning_rate"].text == "fast"
    assert draft.wrong["training.learning_rate"].reason == "must be a number over 0 and at most 10"
    assert draft.text_of("training.learning_rate") == "fast"
    assert draft.settings == Settings()
    draft = edited(draft, "training.learning_rate", "0.01")
    assert not draft.wrong and draft.settings.training.learning_rate == 0.01


def test_input_that_was_wrong_only_beside_another_field_is_taken_once_it_fits() -> None:
    draft = edited(Draft(), "training.warmup_epochs", "30")
    assert "epochs" in draft.wrong["training.warmup_epochs"].reason
    draft = edited(draft, "training.epochs", "50")
    assert not draft.wrong
    assert (draft.settings.training.warmup_epochs, draft.settings.training.epochs) == (30, 50)


def test_a_wrong_dropout_is_replaced_by_the_dropout_of_all_layers() -> None:
    draft = edited(Draft(), "model.hidden.2.dropout", "2")
    assert "model.hidden.2.dropout" in draft.wrong
    draft = edited(draft, ALL_DROPOUTS, "0.3")
    assert not draft.wrong
    assert [layer.dropout for layer in draft.settings.model.hidden] == [0.3, 0.3]
    assert edited(draft, ALL_DROPOUTS, "0.1,0.2").text_of(ALL_DROPOUTS) == "0.1,0.2"


def test_what_differs_from_the_beginning_has_its_old_value() -> None:
    draft = edited(begun(all_presets()["trial-25"].settings, "trial-25"), "model.hidden.2.dropout", "0.25")
    draft = edited(draft, "training.l2_lambda", "0.02")
    assert set(draft.old_values) == {"model.hidden.2.dropout", "training.l2_lambda"}
    assert restored(draft, "training.l2_lambda").old_values.keys() == {"model.hidden.2.dropout"}


def test_layers_take_their_wrong_input_along() -> None:
    draft = edited(Draft(), "model.hidden.2.width", "wide")
    hidden = draft.settings.model.hidden
    draft = with_layers(draft, (hidden[0], hidden[0], hidden[1]), [1, None, 2])
    assert draft.wrong.keys() == {"model.hidden.3.width"}
    assert len(draft.added_layers) == 1
    draft = with_layers(draft, hidden[:1], [1])
    assert not draft.wrong


def test_wrong_input_that_is_of_no_single_layer_stays_when_layers_change() -> None:
    draft = edited(edited(Draft(), ALL_DROPOUTS, "0.5,oops"), WIDTHS, "64-x")
    hidden = draft.settings.model.hidden
    draft = with_layers(draft, (*hidden, hidden[-1]), [1, 2, None])
    assert draft.text_of(ALL_DROPOUTS) == "0.5,oops" and draft.text_of(WIDTHS) == "64-x"
    assert draft.wrong.keys() == {ALL_DROPOUTS, WIDTHS}


def test_dropouts_that_were_too_many_are_taken_with_the_layer_that_they_lacked() -> None:
    draft = edited(Draft(), ALL_DROPOUTS, "0.5,0.4,0.3")
    assert draft.wrong
    hidden = draft.settings.model.hidden
    draft = with_layers(draft, (*hidden, hidden[-1]), [1, 2, None])
    assert not draft.wrong and [layer.dropout for layer in draft.settings.model.hidden] == [0.5, 0.4, 0.3]


def test_the_dropouts_of_the_beginning_come_back_beside_those_of_added_layers() -> None:
    begin = edited(Draft(), ALL_DROPOUTS, "0.5,0.2").settings
    hidden = begin.model.hidden
    draft = with_layers(begun(begin, None), (*hidden, hidden[-1]), [1, 2, None])
    draft = restored(edited(draft, ALL_DROPOUTS, "0.7"), ALL_DROPOUTS)
    assert not draft.wrong and draft.text_of(ALL_DROPOUTS) == "0.5,0.2,0.7"
    assert restored(with_layers(draft, (), []), ALL_DROPOUTS).settings.model.hidden == ()


def test_wrong_input_of_a_layer_goes_with_the_layer() -> None:
    draft = edited(edited(Draft(), "model.hidden", "64-64-64"), "model.hidden.3.dropout", "7")
    assert list(draft.wrong) == ["model.hidden.3.dropout"]
    assert edited(draft, "training.epochs", 5).wrong
    assert not edited(draft, "model.hidden", "64-64").wrong


@pytest.mark.parametrize(
    ("path", "up", "down"),
    [
        ("training.learning_rate", 0.002, 0.0005),
        ("training.schedule", "cosine", "one-cycle"),
        ("data.horizontal_flip", True, True),
        ("model.hidden.1.width", 512, 128),
        ("training.seed", 1, 0),
    ],
)
def test_arrow_keys_step(path: str, up: object, down: object) -> None:
    assert stepped(Draft(), path, up=True).value_of(path) == up
    assert stepped(Draft(), path, up=False).value_of(path) == down


def test_skip_connections_are_marked_as_unused_where_no_layer_is_as_wide_as_its_input() -> None:
    path = "model.skip_connections"
    assert is_unused(path, Draft())  # digits of 64 values, layers of 256 and 128
    assert not is_unused(path, edited(Draft(), WIDTHS, "64-32"))
    assert not is_unused(path, edited(Draft(), WIDTHS, "32-32"))
    assert not is_unused(path, edited(Draft(), "data.source", "/images of an unknown size"))


def test_undo_and_redo_walk_over_all_edits() -> None:
    changes = []
    edits = Edits(Draft(), lambda: changes.append(1))
    first = edits.draft
    edits.change(edited(edits.draft, "training.epochs", "5"))
    edits.change(edited(edits.draft, "training.epochs", "none"))
    edits.change(edits.draft)  # no edit
    assert edits.draft.wrong and len(changes) == 2
    edits.undo()
    assert edits.draft.settings.training.epochs == 5 and not edits.draft.wrong
    edits.undo()
    edits.undo()
    assert edits.draft == first and not edits.can_undo
    edits.redo()
    edits.redo()
    assert edits.draft.wrong and not edits.can_redo
    edits.undo()
    edits.change(edited(edits.draft, "training.seed", "7"))
    assert not edits.can_redo


def test_steps_of_one_field_are_undone_together() -> None:
    edits = Edits(Draft(), lambda: None)
    for _ in range(5):
        edits.change(stepped(edits.draft, "training.seed", up=True), "training.seed")
    assert edits.draft.settings.training.seed == 5
    edits.undo()
    assert edits.draft.settings.training.seed == 0


def test_what_the_console_changes_by_itself_is_no_step_to_take_back() -> None:
    edits = Edits(Draft(), lambda: None)
    edits.change(edited(edits.draft, "training.epochs", "5"))
    edits.change(replace(edits.draft, name="first", note="why"))
    trained = edits.draft
    edits.change(edited(edits.draft, "training.epochs", "6"))
    edits.undo()
    edits.amend(lambda draft: after(draft, trained, "the trial"))
    assert edits.draft == begun(trained.settings, "the trial")
    edits.redo()
    assert edits.draft.settings.training.epochs == 6 and edits.draft.old_values == {"training.epochs": "5"}
    edits.undo()
    edits.undo()  # of the epochs: the name has gone with the trial
    assert edits.draft.settings == Settings() and edits.draft.parent == "the trial" and not edits.can_undo


def test_what_is_said_of_the_next_trial_while_one_begins_stays_with_it() -> None:
    trained = replace(Draft(), name="first", note="why")
    typed = replace(trained, name="second", note="why not")
    assert after(typed, trained, "the trial") == replace(typed, parent="the trial")
    elsewhere = begun(all_presets()["trial-3"].settings, "trial-3")
    assert after(elsewhere, trained, "the trial") == elsewhere


def test_a_draft_survives_a_restart() -> None:
    draft = edited(begun(all_presets()["trial-3"].settings, "trial-3"), "model.hidden.1.width", "no")
    draft = edited(draft, "data.source", "/images of mine")
    assert draft_from_dict(draft_to_dict(draft)) == draft


@pytest.mark.parametrize("values", [None, 3, [], {}, {"settings": 1}, {"settings": {}, "begin": {}}])
def test_a_damaged_draft_is_a_new_one(values: object) -> None:
    assert draft_from_dict(values) == Draft()


def parsed(arguments: list[str]) -> Chosen:
    found = []

    @click.command()
    @trial_options
    def command(**options: object) -> None:
        found.append(chosen_settings(Path(), **options))  # type: ignore[arg-type]

    command.main(arguments, standalone_mode=False)
    return found[0]


EDITS = st.lists(
    st.one_of(
        st.tuples(st.just(WIDTHS), st.sampled_from(["", "64", "32-16-8", "1024-512-64-64-32-16-8-4"])),
        st.tuples(st.just(ALL_DROPOUTS), st.sampled_from(["0", "0.5", "0.1,0.2"])),
        st.tuples(st.just("model.hidden.1.activation"), st.sampled_from(["gelu", "tanh"])),
        st.tuples(st.just("model.hidden.2.batch_norm"), st.sampled_from(["off", "on"])),
        st.tuples(st.just("model.hidden.2.l2"), st.sampled_from(["off", "on"])),
        st.tuples(st.just(OUTPUT_L2), st.sampled_from(["off", "on"])),
        st.tuples(st.just("model.skip_connections"), st.sampled_from(["off", "on"])),
        st.tuples(st.just("training.learning_rate"), st.floats(1e-6, 10).map(str)),
        st.tuples(st.just("training.l2_lambda"), st.floats(0, 1000).map(str)),
        st.tuples(st.just("data.skip_broken"), st.sampled_from(["on", "off"])),
        st.tuples(st.just("data.normalization"), st.sampled_from(["none", "measured"])),
        st.tuples(st.just("data.source"), st.sampled_from(["digits", "mnist", "/my images/it's", "/a;b"])),
        st.tuples(st.just("training.seed"), st.integers(0, 9).map(str)),
    ),
    max_size=8,
)


@settings(max_examples=150, deadline=None)
@given(begin=st.sampled_from([None, "trial-25", "trial-0", "digits"]), edits=EDITS)
def test_the_command_line_means_what_the_forms_say(begin: str | None, edits: list[tuple[str, str]]) -> None:
    draft = begun(all_presets()[begin].settings, begin) if begin else Draft()
    for path, value in edits:
        draft = edited(draft, path, value)
    chosen = parsed(train_arguments(draft.settings, draft.begin, draft.parent))
    assert chosen.settings == draft.settings
    assert chosen.parent == begin


def test_the_command_line_names_home_name_and_note(tmp_path: Path) -> None:
    draft = Draft(name="my trial", note="it's a $HOME")
    words = shlex.split(command_line(draft, tmp_path))
    assert words == ["trialbook", "--home", str(tmp_path), "train", "--name", "my trial", "--note", "it's a $HOME"]
    assert command_line(Draft(settings=change_settings(Settings(), {"training.epochs": 3})), Path.cwd()) == (
        "trialbook train --epochs 3"
    )
