"""Make foreign text harmless: names, notes, paths, class names and error texts can come from anybody."""

from __future__ import annotations

import json
import math
import re
from typing import Any

_INTEGER_DIGITS = 20
_MOST_VALUES = 500_000
_CONTROLS = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # C0, DEL and C1: escape sequences begin with one of these
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # bidirectional controls reorder what is shown
    "\u2028\u2029"  # line and paragraph separators
    "\ud800-\udfff"  # lone surrogates: undecodable bytes of a file name; they cannot be printed at all
    "]"
)


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"  # noqa: PLR2004 - two hexadecimal digits


def printable(text: object, limit: int = 500) -> str:
    r"""Return the text with every control character shown as an escape, at most `limit` characters long.

    Newlines and tabs count as control characters: what comes back is always one line.

    >>> printable("a\x1b[31mred")
    'a\\x1b[31mred'
    """
    return shorten(_CONTROLS.sub(_escaped, str(text)), limit)


def shorten(text: str, limit: int) -> str:
    """Return the text, or its beginning and end around an ellipsis if it has more than `limit` characters."""
    if len(text) <= limit:
        return text
    tail = (limit - 1) // 3
    return f"{text[: limit - 1 - tail]}…{text[len(text) - tail :]}"


def counted(number: int, noun: str) -> str:
    """Return "1 image", "1,437 images"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def strict_json(text: str | bytes) -> Any:
    """Return the value of a JSON text, which may come from anybody.

    Raises:
        ValueError: It is not JSON, is nested too deeply, holds NaN, infinity or a number beyond double precision, or
            more values than any file of ours: as objects they take up to thirty times the room of their text.
    """
    text = text if isinstance(text, str) else text.decode(json.detect_encoding(text))
    if text.count(",") + text.count("[") + text.count("{") > _MOST_VALUES:
        raise ValueError("more values than any file of Trialbook holds")
    try:
        return _STRICT.decode(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _refuse_number(text: str) -> Any:
    raise ValueError(f"{text} is no JSON number")


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _refuse_number("a number beyond double precision")


def _small_integer(text: str) -> int:
    return int(text) if len(text) <= _INTEGER_DIGITS else _refuse_number("an integer of so many digits")


# one for all: to make it takes as long as to read a small file
_STRICT = json.JSONDecoder(parse_constant=_refuse_number, parse_float=_finite, parse_int=_small_integer)


def one_line_json(value: Any) -> str:
    """Return the value as one line of ASCII JSON that a terminal can show without harm.

    Raises:
        ValueError: The value holds NaN or infinity, which JSON does not have.
    """
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(", ", ": "))
    return text.replace("\x7f", "\\u007f")  # the one control character that json leaves as it is
