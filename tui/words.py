"""Numbers as the console writes them."""

from __future__ import annotations

from core.errors import TrialbookError

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_TEN = 10
_KILO = 1_000


def percent(fraction: float | None, digits: int = 2) -> str:
    """Return a fraction as a percentage, "58.08 %"; a dash for None."""
    return "-" if fraction is None else f"{100 * fraction:.{digits}f} %"


def duration(seconds: float | None) -> str:
    """Return a time in seconds as people say it: "0:07", "12:31", "3 h 05 min"; a dash for None."""
    if seconds is None:
        return "-"
    whole = round(seconds)
    if whole < _HOUR:
        return f"{whole // _MINUTE}:{whole % _MINUTE:02}"
    if whole < _DAY:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE:02} min"
    return f"{whole // _DAY} d {whole % _DAY // _HOUR} h"


def amount(number: float, unit: str = "") -> str:
    """Return a large number with three digits and its prefix: "3.71 M", "7.4 GFLOPs"."""
    for prefix in ("", "k", "M", "G", "T"):
        if abs(number) < _KILO or prefix == "T":
            break
        number /= _KILO
    digits = 0 if not prefix else 2 if abs(number) < _TEN else 1 if abs(number) < _TEN * _TEN else 0
    return f"{number:.{digits}f} {prefix}{unit}".rstrip()


def signed(number: float | None, digits: int = 4) -> str:
    """Return a number with its sign, also where it is positive; a dash for None."""
    return "-" if number is None else f"{number:+.{digits}f}"


def failure(error: BaseException | None) -> str:
    """Return why something failed: an error of ours says it by itself, of any other the kind is told too."""
    return str(error) if isinstance(error, TrialbookError) else f"{type(error).__name__}: {error}"
