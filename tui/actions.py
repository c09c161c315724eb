"""The one table of actions: key bindings, footer, help and command palette are all made from it.

Only letters, F1 to F10, arrows and Ctrl with a letter arrive in every terminal, and tmux, screen and terminals keep
Ctrl+A, B, S, J, O, H, M and Q for themselves: actions that matter are on plain letters.
"""

from __future__ import annotations

from dataclasses import dataclass

from textual.binding import Binding

FOOTER_KEYS = 7
"""The most keys that a footer shows, the one for help among them."""


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that a key does.

    Attributes:
        id: Its name in the file of keys, unique.
        scope: Where the key works: "app", a screen's or a panel's name.
        keys: Textual's names of its keys, separated by commas; the first is the one that is shown.
        action: The method that does it, without "action_", as Textual writes actions.
        label: A word or two for the footer, at most 10 characters.
        title: What it does, for the help and the palette.
        rank: Its place in the footer, the lowest first; 0: not in the footer.
        in_palette: Whether the palette offers it; moving a cursor makes sense by key alone.
    """

    id: str
    scope: str
    keys: str
    action: str
    label: str
    title: str
    rank: int = 0
    in_palette: bool = True


SCOPES = {
    "app": "Everywhere",
    "workbench": "Workbench",
    "architecture": "Architecture",
    "training": "Training settings",
    "editor": "Typing into a field",
    "curves": "Curves",
    "figures": "Figures",
    "begin": "Choose presets and trials",
    "list": "Lists",
    "history": "Trials",
    "trash": "Trash",
    "evaluation": "Evaluation",
    "scores": "Scores per class",
    "matrix": "Confusion matrix",
    "pictures": "Pictures",
    "comparison": "Comparison",
    "table": "Results and settings",
    "pairs": "Pairs of trials",
    "scrub": "Epoch by epoch",
    "film": "Film",
    "data": "Data sets",
    "folder": "Choose a folder",
    "text": "Text",
    "scroll": "Help",
}
"""What the help calls each scope."""


def _moves(scope: str, sideways: str = "") -> list[Action]:
    """Return the rows for moving a cursor in a list, and in a table where `sideways` says what it moves by."""
    rows = [("up", "up,k", "cursor_up", "Up"), ("down", "down,j", "cursor_down", "Down")]
    if sideways:
        rows += [("left", "left,h", "cursor_left", "Left"), ("right", "right,l", "cursor_right", "Right")]
    return [
        Action(f"{scope}.{name}", scope, keys, action, word, f"move {word.lower()}", in_palette=False)
        for name, keys, action, word in rows
    ]


def _pages(scope: str) -> list[Action]:
    """Return the rows for moving by pages and to both ends."""
    rows = [("page_up", "pageup", "a page up"), ("page_down", "pagedown", "a page down")]
    rows += [("scroll_home", "home", "to the beginning"), ("scroll_end", "end", "to the end")]
    return [Action(f"{scope}.{name}", scope, key, name, "Page", title, in_palette=False) for name, key, title in rows]


def _edges(scope: str) -> list[Action]:
    """Return the rows for going to the first and to the last field of a form."""
    return [
        Action(
            f"{scope}.first", scope, "home,pageup", "cursor_edge(False)", "First", "go to the first field", 0, False
        ),
        Action(f"{scope}.last", scope, "end,pagedown", "cursor_edge(True)", "Last", "go to the last field", 0, False),
    ]


ACTIONS = (
    Action("help", "app", "question_mark,f1", "help", "Help", "the keys of where you are", 99, in_palette=False),
    Action("palette", "app", "ctrl+p", "command_palette", "Palette", "find any action, preset or trial", 98, False),
    Action("quit", "app", "q", "quit", "Quit", "leave Trialbook", 97),
    Action("suspend", "app", "ctrl+z", "suspend_process", "Suspend", "go back to the shell; fg returns", 0, False),
    Action("back", "app", "escape", "back", "Back", "close what is in front", 50, in_palette=False),
    # the workbench, whichever panel has the focus
    Action("start", "workbench", "s", "start", "Start", "train the settings of the forms", 1),
    Action("pause", "workbench", "p", "pause", "Pause", "pause the training, or let it go on", 2),
    Action("finish", "workbench", "f", "finish", "Finish", "end the training after this epoch", 3),
    Action("stop", "workbench", "x", "stop", "Stop", "stop the training now; its complete epochs are kept", 4),
    Action("resume", "workbench", "G", "resume", "Go on", "go on with the trial that the curves show, here", 7),
    Action("branch", "workbench", "B", "branch", "Branch", "train the forms' settings from an epoch of the parent on"),
    Action("watch", "workbench", "W", "watch", "Watch", "go back to the curves of the training", 6),
    Action("evaluate", "workbench", "e", "evaluate", "Evaluate", "evaluate the trial that the curves show", 5),
    Action("compare", "workbench", "C", "compare", "Compare", "compare the trial with its parent and the others drawn"),
    Action("suggest", "workbench", "D", "suggest", "Try", "open the form with the change made that the curves suggest"),
    Action("diagnoses", "workbench", "Y", "diagnoses", "Why", "all that the rules read off the curves, with numbers"),
    Action("scrub", "workbench", "F", "scrub", "Film", "see the trial epoch by epoch, like a film"),
    Action("history", "workbench", "o", "history", "Trials", "open the history of trials", 30),
    Action("data", "workbench", "i", "data", "Images", "choose or download a data set", 31),
    Action("begin", "workbench", "b", "begin", "Begin from", "begin from a preset or a saved trial", 20),
    Action("check", "workbench", "c", "check", "Check", "check in seconds whether the settings can work", 21),
    Action("undo", "workbench", "u", "undo", "Undo", "take back the last edit", 40),
    Action("redo", "workbench", "U", "redo", "Redo", "make the edit again that was taken back", 0),
    Action("command", "workbench", "y", "command", "Command", "show and copy the command line that does the same", 0),
    Action("name", "workbench", "n", "name", "Name", "give the next trial a name and a note", 0),
    Action("reset", "workbench", "R", "reset", "Reset", "put all settings back to where they began", 0),
    Action(
        "maximize", "workbench", "z", "maximize", "Maximize", "give the panel the whole screen, or give it back", 45
    ),
    Action("next_panel", "workbench", "tab", "next_panel", "Panel", "go to the next panel", 46),
    Action("previous_panel", "workbench", "shift+tab", "previous_panel", "Panel", "go to the panel before", 0),
    # its panels
    *_moves("architecture", "cell"),
    *_edges("architecture"),
    Action("architecture.edit", "architecture", "enter,space", "edit", "Edit", "edit the cell, or switch it over", 10),
    Action("architecture.add", "architecture", "a", "add", "Add", "add a hidden layer below", 11),
    Action("architecture.remove", "architecture", "r", "remove", "Remove", "remove the hidden layer", 12),
    Action("architecture.duplicate", "architecture", "d", "duplicate", "Duplicate", "duplicate the hidden layer", 13),
    Action(
        "architecture.widths", "architecture", "w", "widths", "Widths", "set all widths in one line: 1024-512-64", 14
    ),
    Action("architecture.move_up", "architecture", "K", "move_up", "Move up", "move the hidden layer up"),
    Action("architecture.move_down", "architecture", "J", "move_down", "Move down", "move the hidden layer down"),
    Action("architecture.more", "architecture", "plus,equals_sign", "step(True)", "More", "the next larger value"),
    Action("architecture.less", "architecture", "minus", "step(False)", "Less", "the next smaller value"),
    *_moves("training"),
    *_edges("training"),
    Action("training.edit", "training", "enter,space", "edit", "Edit", "edit the setting, or switch it over", 10),
    Action("training.less", "training", "left,h,minus", "step(False)", "Less", "the next smaller value or choice", 11),
    Action("training.more", "training", "right,l,plus", "step(True)", "More", "the next larger value or choice", 12),
    Action("training.default", "training", "r", "restore", "Restore", "the value where the settings began", 13),
    Action("editor.keep", "editor", "enter", "keep", "Keep", "keep what is typed", 10, in_palette=False),
    Action("editor.drop", "editor", "escape", "drop", "Drop", "leave the field as it was", 11, in_palette=False),
    Action("editor.more", "editor", "up", "step(True)", "More", "the next larger value", 12, in_palette=False),
    Action("editor.less", "editor", "down", "step(False)", "Less", "the next smaller value", 13, in_palette=False),
    Action("editor.next", "editor", "tab", "keep_and_move(1)", "Next", "keep and go down", 14, in_palette=False),
    Action("editor.previous", "editor", "shift+tab", "keep_and_move(-1)", "Previous", "keep and go up", 0, False),
    Action("curves.left", "curves", "left,h", "crosshair(-1)", "Epoch", "crosshair one epoch to the left", 10, False),
    Action("curves.right", "curves", "right,l", "crosshair(1)", "Epoch", "crosshair one epoch to the right", 0, False),
    Action("curves.first", "curves", "home", "crosshair_to(False)", "First", "crosshair to the first epoch", 0, False),
    Action("curves.last", "curves", "end", "crosshair_to(True)", "Last", "crosshair to the last epoch", 0, False),
    Action("curves.quantity", "curves", "a", "quantity", "Accuracy", "switch between cost and accuracy", 11),
    Action("curves.penalty", "curves", "w", "penalty", "Penalty", "train cost with or without the L2 penalty", 12),
    Action("curves.log", "curves", "g", "log", "Log", "logarithmic or linear cost", 13),
    Action("curves.smooth", "curves", "m", "smooth", "Smooth", "smooth the curves: off, some, much", 14),
    Action("curves.parent", "curves", "v", "parent", "Parent", "draw the parent trial too, or leave it out", 0),
    Action("curves.overlay", "curves", "t", "overlay", "Overlay", "choose saved trials to draw too", 15),
    Action(
        "curves.zoom_in",
        "curves",
        "plus,equals_sign,up,k",
        "zoom(True)",
        "Zoom in",
        "fewer epochs, around the crosshair",
    ),
    Action("curves.zoom_out", "curves", "minus,down,j", "zoom(False)", "Zoom out", "more epochs"),
    Action(
        "curves.pan_left", "curves", "H,less_than_sign,comma", "pan(-1)", "Pan", "move the window to earlier epochs"
    ),
    Action(
        "curves.pan_right",
        "curves",
        "L,greater_than_sign,full_stop",
        "pan(1)",
        "Pan",
        "move the window to later epochs",
    ),
    Action("curves.all", "curves", "0", "all_epochs", "All", "show all epochs again"),
    *_moves("figures"),
    # other screens
    Action("begin.choose", "begin", "enter", "choose", "Choose", "take the selected line, or the marked ones", 10),
    Action("begin.filter", "begin", "slash", "filter", "Filter", "filter as you type", 11),
    Action("begin.to_list", "begin", "down", "to_list", "List", "go from the filter to the list", in_palette=False),
    *_moves("list"),
    *_pages("list"),
    Action("list.choose", "list", "space", "mark", "Mark", "mark the line, or take its mark away", 13),
    Action("history.evaluate", "history", "enter", "evaluate", "Evaluate", "evaluate the selected trial", 10),
    Action("history.filter", "history", "slash", "filter", "Filter", "filter as you type", 11),
    Action("history.to_list", "history", "down", "to_list", "List", "go from the filter to the list", in_palette=False),
    Action("history.curves", "history", "c", "curves", "Curves", "show the trial's curves in the workbench", 12),
    Action("history.compare", "history", "v", "compare", "Compare", "compare the marked trials, two to eight", 13),
    Action("history.note", "history", "n", "about('note')", "Note", "edit the trial's note", 14),
    Action("history.rename", "history", "N", "about('name')", "Rename", "give the trial another name"),
    Action("history.tags", "history", "g", "about('tags')", "Tags", "edit the trial's tags"),
    Action("history.star", "history", "f,asterisk", "star", "Star", "star the trial, or take its star away", 17),
    Action("history.sort", "history", "s", "sort", "Sort", "sort by the next column", 16),
    Action("history.reverse", "history", "r", "reverse", "Reverse", "turn the order round"),
    Action("history.tree", "history", "t", "tree", "Tree", "children below their parents, or one order", 18),
    Action("history.weights", "history", "w", "weights", "Best/last", "the best epoch's weights or the last one's"),
    Action("history.begin", "history", "b", "begin", "Begin from", "begin the next trial from this one", 19),
    Action("history.path", "history", "p", "path", "File", "open a bare file of weights by its path"),
    Action("history.delete", "history", "d,delete", "delete", "Delete", "move the trial to the trash"),
    Action("history.undo", "history", "u", "undo", "Undo", "bring the trial back that was deleted last"),
    Action("history.trash", "history", "T", "trash", "Trash", "see what was deleted: restore it, or empty the trash"),
    Action("history.export", "history", "x", "export", "Export", "write the trial to a file, for another home"),
    Action("history.import", "history", "i", "import", "Import", "add a trial from a file that was exported"),
    Action("trash.restore", "trash", "enter,u", "restore", "Restore", "move the trial back into the history", 10),
    Action("trash.empty", "trash", "E", "empty", "Empty", "remove all that is in the trash for good", 11),
    Action("evaluation.next", "evaluation", "tab", "next_panel", "Panel", "go to the next panel", 20),
    Action("evaluation.previous", "evaluation", "shift+tab", "previous_panel", "Panel", "go to the panel before"),
    Action("evaluation.copy", "evaluation", "y", "copy", "Copy", "copy the result, or the error, as one line", 21),
    *_moves("scores"),
    *_pages("scores"),
    *_moves("matrix", "cell"),
    *_pages("matrix"),
    Action("matrix.open", "matrix", "enter", "open", "Images", "the images of the cell", 10),
    Action("matrix.share", "matrix", "a", "share", "Percent", "counts, or parts of the true class", 11),
    *_moves("pictures", "picture"),
    *_pages("pictures"),
    Action("pictures.all", "pictures", "0", "all_mistakes", "Mistakes", "the most confident mistakes again", 10),
    Action("comparison.trials", "comparison", "t", "trials", "Trials", "choose the trials to compare", 31),
    Action(
        "comparison.swap", "comparison", "x", "swap", "Swap", "the images that only the other of the two has right", 30
    ),
    Action(
        "comparison.alone",
        "comparison",
        "z",
        "alone",
        "Maximize",
        "give the panel the whole screen, or give it back",
        21,
    ),
    Action("comparison.next", "comparison", "tab", "next_panel", "Panel", "go to the next panel", 20),
    Action("comparison.previous", "comparison", "shift+tab", "previous_panel", "Panel", "go to the panel before"),
    *_moves("table", "column"),
    *_pages("table"),
    *_moves("pairs", "pair"),
    Action("pairs.open", "pairs", "enter", "open", "Images", "the images where the two trials disagree", 10),
    Action("scrub.play", "scrub", "space", "play", "Play", "play the epochs like a film, or hold it", 11),
    Action("scrub.best", "scrub", "b", "best", "Best", "go to the best epoch", 12),
    Action("scrub.before", "scrub", "comma,less_than_sign", "step(-1)", "Epoch", "an epoch back, from any panel"),
    Action("scrub.after", "scrub", "full_stop,greater_than_sign", "step(1)", "Epoch", "an epoch on, from any panel"),
    Action("scrub.next", "scrub", "tab", "next_panel", "Panel", "go to the next panel", 20),
    Action("scrub.previous", "scrub", "shift+tab", "previous_panel", "Panel", "go to the panel before"),
    Action("film.left", "film", "left,h", "step(-1)", "Epoch", "an epoch back", 10, False),
    Action("film.right", "film", "right,l", "step(1)", "Epoch", "an epoch on", 0, False),
    Action("film.page_up", "film", "pageup,up,k", "step(-10)", "Ten", "ten epochs back", 0, False),
    Action("film.page_down", "film", "pagedown,down,j", "step(10)", "Ten", "ten epochs on", 0, False),
    Action("film.first", "film", "home", "step(-1000000)", "First", "to the first epoch", 0, False),
    Action("film.last", "film", "end", "step(1000000)", "Last", "to the last epoch", 0, False),
    *_moves("data"),
    *_pages("data"),
    Action("data.choose", "data", "enter", "choose", "Choose", "train on the selected data set", 10),
    Action("data.download", "data", "d", "download", "Download", "download the selected data set", 11),
    Action("data.cancel", "data", "x", "cancel", "Cancel", "cancel the download", 12),
    Action("data.folder", "data", "f", "folder", "Folder", "choose a folder of images", 13),
    *_moves("folder"),
    *_pages("folder"),
    Action("folder.open", "folder", "enter,right,l", "open", "Open", "open the folder", 10),
    Action("folder.parent", "folder", "left,h,backspace", "parent", "Parent", "go to the folder above", 11),
    Action("folder.choose", "folder", "c", "choose", "Choose", "train on this folder of images", 12),
    Action("folder.path", "folder", "slash,p", "path", "Path", "type the folder's path", 13),
    Action("folder.complete", "folder", "tab", "complete", "Complete", "complete the path that is typed", 0, False),
    Action("text.copy", "text", "y", "copy", "Copy", "copy the text through the terminal", 10),
    Action("text.write", "text", "w", "write", "Write", "write the text to a file", 11),
    Action("scroll.down", "scroll", "down,j", "scroll_lines(1)", "Down", "scroll down", 10, in_palette=False),
    Action("scroll.up", "scroll", "up,k", "scroll_lines(-1)", "Up", "scroll up", 11, in_palette=False),
    Action("scroll.page_down", "scroll", "pagedown,space", "scroll_lines(15)", "Page", "scroll a page down", 0, False),
    Action("scroll.page_up", "scroll", "pageup", "scroll_lines(-15)", "Page", "scroll a page up", 0, False),
)

BY_ID = {action.id: action for action in ACTIONS}


def bindings(scope: str) -> list[Binding]:
    """Return the key bindings of a scope, for the `BINDINGS` of the widget or screen that it is the scope of."""
    return [
        Binding(row.keys, row.action, row.label, show=row.rank > 0, tooltip=row.title, id=row.id)
        for row in ACTIONS
        if row.scope == scope
    ]
