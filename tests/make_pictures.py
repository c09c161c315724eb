"""Make the README's picture from the real program: `uv run python tests/make_pictures.py`."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
WIDTH = 108
SESSION = (
    ("train", "--epochs", "8", "--dropout", "0.3", "--note", "more dropout"),
    ("trials",),
    ("evaluate", "last"),
)


def main() -> None:
    """Run a short session in an empty home and draw what it printed."""
    screen = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    with tempfile.TemporaryDirectory() as home:
        for arguments in SESSION:
            command = [sys.executable, "-m", "core", "--home", home, *arguments]
            shown = " ".join(f'"{part}"' if " " in part else part for part in arguments)
            screen.print(Text(f"$ trialbook {shown}", style="bold green"))
            ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, env=os.environ)
            screen.print(Text(ran.stdout.replace(f"{home}/", "").rstrip()), soft_wrap=False)
            screen.print()
    svg = screen.export_svg(title="trialbook")
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)  # the picture must load nothing from elsewhere
    (ROOT / ".pictures").mkdir(exist_ok=True)
    (ROOT / ".pictures" / "train.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
