"""Ways to damage a file that was valid: its bytes, or what it holds in its own structure."""

from __future__ import annotations

import io
import json
import random
import re
import string
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from typing import Any

Draw = random.Random

NASTY = (
    "",
    "\x1b[31m",
    "\x1b]0;title\x07",
    "a\nb\r\nc\td",
    "\u202egnp.exe\u2066",
    "\x9b2J\x85",
    "\u2028\u2029",
    "\x00",
    "\ud800",
    "\udcff\udc80",
    "<script>alert(1)</script>&\"'",
    "[bold red]markup[/] [@click=app.quit]x[/]",
    "../../../etc/passwd",
    "/dev/zero",
    "{{ 7 * 7 }} ${HOME} `id`",
    "e\u0301" * 300,
    "\U0001f469\u200d\U0001f469\u200d\U0001f467",
    "x" * 20_000,
    "-" * 200,
    "last",
)
"""Texts that a terminal, a page, a path or a log must not obey."""
NUMBERS: tuple[float, ...] = (
    0, -1, 1, 2, 255, 256, 65_535, 65_537, 2**31 - 1, 2**31, 2**32, 2**53, 2**63 - 1, 2**63, 10**19, 10**30, 10**400,
    -(10**12), 0.5, -0.0, 1e-320, 1e-300, 1e16, 1e39, 1e300, 1.7976931348623157e308, -1e308, float("inf"), float("nan"),
)  # fmt: skip
_BYTES = (
    b"\x00",
    b"\xff",
    b"\xff" * 8,
    b"\x00" * 64,
    b"\x7f\xff\xff\xff",
    b"\n",
    b"\x1b[2J",
    b"\xc3\x28",
    b"{",
    b"[",
    b'"',
)
_WORDS = tuple(
    struct.pack(form, value) for form in ("<L", ">L", "<Q", ">Q", "<H", ">H") for value in (0, 1, 0x7FFF, 0xFFFF)
)
_HUGE = tuple(struct.pack(form, value) for form in ("<Q", ">Q") for value in (2**40, 2**62, 2**63, 2**64 - 1)) + tuple(
    struct.pack(form, value) for form in ("<L", ">L") for value in (2**24, 2**31 - 1, 2**31, 2**32 - 1)
)


def damaged_bytes(draw: Draw, content: bytes) -> bytes:
    """Return the content with one to four damages: flips, cuts, insertions, blocks doubled or swapped, huge sizes."""
    data = bytearray(content)
    for _ in range(draw.choice((1, 1, 1, 2, 4))):
        _BYTE_DAMAGES[draw.randrange(len(_BYTE_DAMAGES))](draw, data)
    return bytes(data)


def _at(draw: Draw, data: bytearray) -> int:
    # headers, in front and at the end, are where a byte matters most
    size = len(data)
    where = draw.random()
    if where < 0.3:
        return draw.randrange(min(size, 200) + 1)
    return size - draw.randrange(min(size, 200) + 1) if where < 0.5 else draw.randrange(size + 1)


def _flip(draw: Draw, data: bytearray) -> None:
    for _ in range(draw.choice((1, 1, 2, 8))):
        if data:
            data[min(_at(draw, data), len(data) - 1)] ^= 1 << draw.randrange(8)


def _set(draw: Draw, data: bytearray) -> None:
    if data:
        data[min(_at(draw, data), len(data) - 1)] = draw.randrange(256)


def _cut(draw: Draw, data: bytearray) -> None:
    at = _at(draw, data)
    del data[at : at + draw.choice((1, 2, 16, 300, len(data)))]


def _insert(draw: Draw, data: bytearray) -> None:
    at = _at(draw, data)
    data[at:at] = draw.choice((*_BYTES, draw.randbytes(draw.randrange(40))))


def _double(draw: Draw, data: bytearray) -> None:
    start, at = _at(draw, data), _at(draw, data)
    data[at:at] = data[start : start + draw.choice((1, 8, 64, 2_000))] * draw.choice((1, 1, 3, 50))


def _swap(draw: Draw, data: bytearray) -> None:
    size = draw.choice((1, 4, 32, 500))
    one, two = sorted((_at(draw, data), _at(draw, data)))
    if one + size <= two:
        data[one : one + size], data[two : two + size] = data[two : two + size], data[one : one + size]


def _word(draw: Draw, data: bytearray) -> None:
    word = draw.choice(_WORDS if draw.random() < 0.5 else _HUGE)
    at = _at(draw, data)
    data[at : at + len(word)] = word


def _digits(draw: Draw, data: bytearray) -> None:
    found = list(re.finditer(rb"[0-9]+", bytes(data[:100_000])))
    if found:
        one = draw.choice(found)
        data[one.start() : one.end()] = draw.choice((b"99999999999999999999", b"1e999", b"-1", b"0", b"9" * 5_000))


_BYTE_DAMAGES: tuple[Callable[[Draw, bytearray], None], ...] = (
    _flip, _set, _cut, _insert, _double, _swap, _word, _digits,
)  # fmt: skip


def odd_value(draw: Draw, depth: int = 0) -> Any:  # noqa: PLR0911 - one per kind
    """Return a value as JSON may hold it, most often of a kind that nobody expects there."""
    kind = draw.randrange(10 if depth < 3 else 6)
    if kind < 2:
        return draw.choice(NUMBERS)
    if kind < 4:
        return draw.choice(NASTY)
    if kind < 6:
        return draw.choice((None, True, False))
    if kind == 6:
        return [odd_value(draw, depth + 1) for _ in range(draw.randrange(4))]
    if kind == 7:
        return {draw.choice(NASTY): odd_value(draw, depth + 1) for _ in range(draw.randrange(4))}
    if kind == 8:
        return [odd_value(draw, 3)] * draw.choice((100, 3_000))
    deep: Any = []
    for _ in range(draw.choice((50, 900))):
        deep = [deep]
    return deep


def damaged_value(draw: Draw, value: Any) -> Any:
    """Return a JSON value with something in it replaced, added, removed or exchanged; the value itself is kept."""
    value = json.loads(json.dumps(value))
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        value = _damage_inside(draw, value)
    return value


def _damage_inside(draw: Draw, value: Any) -> Any:
    if isinstance(value, dict) and value and draw.random() < 0.9:
        key = draw.choice(list(value))
        way = draw.random()
        if way < 0.75:
            value[key] = _damage_inside(draw, value[key])
        elif way < 0.85:
            del value[key]
        elif way < 0.95:
            value[draw.choice((*NASTY, *value))] = odd_value(draw)
        else:
            other = draw.choice(list(value))
            value[key], value[other] = value[other], value[key]
        return value
    if isinstance(value, list) and value and draw.random() < 0.7:
        at = draw.randrange(len(value))
        way = draw.random()
        if way < 0.6:
            value[at] = _damage_inside(draw, value[at])
        elif way < 0.75:
            del value[at]
        elif way < 0.9:
            value.insert(at, odd_value(draw))
        else:
            value *= draw.choice((2, 100))
        return value
    if isinstance(value, int | float) and not isinstance(value, bool) and draw.random() < 0.4:
        huge = isinstance(value, int) and abs(value) > 2**1000  # no float can be so large
        scaled = (str(value),) if huge else (value * 1e6, float(value), str(value))
        return draw.choice((value + 1, -value, *scaled, [value]))
    return odd_value(draw)


def json_text(draw: Draw, value: Any) -> bytes:
    """Return a value as JSON, sometimes in one of its rarer forms, and now and then no JSON any more."""
    text = json.dumps(value, ensure_ascii=draw.random() < 0.7, indent=draw.choice((None, 1)))
    if draw.random() < 0.03:
        text = text[:1] + '"\\ud83d": 1, "a": 1, "a": 2, ' + text[1:]
    content = text.encode("utf-8", errors="surrogatepass")
    if draw.random() < 0.04:
        content = text.encode(draw.choice(("utf-16", "utf-32", "utf-8-sig")), errors="surrogatepass")
    return damaged_bytes(draw, content) if draw.random() < 0.2 else content


_TOML_VALUES = (
    "0", "-1", "1e999", "nan", "inf", "9" * 30, "9" * 5_000, "1_000_000_000", "0x" + "f" * 40, "true", '"x"', "''",
    "[]", "[[[[]]]]", "{}", "{a = 1}", "1979-05-27T07:32:00Z", "1979-13-99", "07:32:00", '"\\u0000"', '"\\uD800"',
    '"\\u001b[31m"', '"\\u202e"',
    '"""' + "x" * 2_000 + '"""', "[" * 70 + "]" * 70, "{a.b.c = {}}", '"' + "y" * 4_000 + '"',
    '["a", 1, true]', "3.5", '"1024-512"', "[{width = 3}]", "[" + "1," * 900 + "]", "'/dev/zero'", '"a\\nb"',
)  # fmt: skip
_TOML_LINES = (
    "[data]", "[model]", "[[model.hidden]]", "[training]", "[model.output]", "[a.b.c.d.e]", "a.b.c.d = 1", "= 3", "[",
    "]]", "# \x01", "'''", '"""', "data = 3", "model.hidden = [{width = 1}]", "[[training]]",
    '"\\u001b" = 1', "x = 1 # y",
    "a" + ".a" * 60 + " = 1", "[" + "a." * 60 + "a]", "training.epochs = 1", "\ufeff", "\r", "k = [\n" * 50, "[keys]",
)  # fmt: skip


def damaged_toml(draw: Draw, text: str) -> bytes:
    """Return a TOML text with other values, lines in other places, and hostile ones between them."""
    lines = [line for line in text.split("\n") if not line.startswith("#")] if draw.random() < 0.8 else text.split("\n")
    for _ in range(draw.choice((1, 1, 2, 5))):
        at = draw.randrange(len(lines)) if lines else 0
        way = draw.random()
        if way < 0.5 and lines:
            name, equals, _ = lines[at].partition(" = ")
            lines[at] = f"{name} = {draw.choice(_TOML_VALUES)}" if equals else lines[at] * 2
        elif way < 0.7:
            lines.insert(at, draw.choice(_TOML_LINES))
        elif way < 0.8 and lines:
            del lines[at : at + draw.choice((1, 1, 5))]
        elif way < 0.9 and lines:
            other = draw.randrange(len(lines))
            lines[at], lines[other] = lines[other], lines[at]
        elif lines:
            lines[at:at] = lines[at : at + 6] * draw.choice((1, 30))
    content = "\n".join(lines).encode("utf-8", errors="surrogatepass")
    return damaged_bytes(draw, content) if draw.random() < 0.2 else content


def damaged_line(draw: Draw, line: bytes) -> bytes:
    """Return a line of a history with other values and a right checksum, or with damaged bytes."""
    try:
        values = json.loads(line)
    except ValueError:  # damaged before
        values = None
    if not isinstance(values, dict) or draw.random() < 0.25:
        return damaged_bytes(draw, line)
    values.pop("crc32", None)
    body = json.dumps(damaged_value(draw, values))[:-1].encode()
    return body + f', "crc32": "{zlib.crc32(body):08x}"}}\n'.encode()


def damaged_safetensors(draw: Draw, content: bytes) -> bytes:
    """Return a file of tensors whose header is other JSON, or that claims another length, or with damaged bytes."""
    if draw.random() < 0.3:
        return damaged_bytes(draw, content)
    length = int.from_bytes(content[:8], "little")
    try:
        header, tensors = json.loads(content[8 : 8 + length]), content[8 + length :]
    except ValueError:  # damaged before
        return damaged_bytes(draw, content)
    names = [name for name in header if name != "__metadata__"]
    way = draw.random()
    if way < 0.5 and names:
        entry = header[draw.choice(names)]
        key = draw.choice(list(entry))
        if key == "data_offsets":
            entry[key] = [draw.choice((*NUMBERS[:-2], entry[key][0], entry[key][1] + 4)) for _ in range(2)]
        elif key == "shape":
            entry[key] = [draw.choice(NUMBERS[:-2]) for _ in range(draw.randrange(4))]
        else:
            entry[key] = draw.choice(("F64", "I64", "BOOL", "F8_E4M3", "U8", "BF16", "C64", "X", 3, None))
    elif way < 0.6:
        marks = json.loads(header.get("__metadata__", {}).get("checkpoint", "{}"))
        header["__metadata__"] = {"checkpoint": json.dumps(damaged_value(draw, marks))}
    elif way < 0.7:
        header |= {f"t{number}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for number in range(2_000)}
    else:
        header = damaged_value(draw, header)
    told = json.dumps(header).encode()
    length = len(told) if draw.random() < 0.9 else int(draw.choice((0, 2**40, 2**63, len(told) + 1, len(told) - 1)))
    return (
        length.to_bytes(8, "little")
        + told
        + (tensors if draw.random() < 0.9 else tensors[: draw.randrange(len(tensors) + 1)])
    )


_OPCODES = (b"(", b"0", b"1", b"2", b"N", b"}", b"]", b")", b"R", b"\x81", b"b", b"a", b"e", b"u", b"s",
            b"Q", b"t", b"\x85",
            b"q\x00", b"h\x00", b"\x8a\x08" + b"\xff" * 8, b"M\xff\xff", b"J\xff\xff\xff\x7f",
            b"G" + b"\x7f\xf0" + bytes(6),
            b"ccollections\nOrderedDict\n", b"cos\nsystem\n", b"cbuiltins\nbytearray\n", b"ctorch\nTensor\n",
            b"ctorch\nSize\n",
            b"X\x03\x00\x00\x00abc", b"ctorch._utils\n_rebuild_tensor_v2\n", b"ctorch\nFloatStorage\n")  # fmt: skip


def damaged_pickle(draw: Draw, content: bytes) -> bytes:
    """Return a pickle with opcodes put in, taken out or exchanged, other numbers, or damaged bytes."""
    if draw.random() < 0.4:
        return damaged_bytes(draw, content)
    data = bytearray(content)
    for _ in range(draw.choice((1, 1, 2, 4))):
        at = draw.randrange(2, len(data)) if len(data) > 2 else 0
        way = draw.random()
        if way < 0.5:
            data[at:at] = draw.choice(_OPCODES)
        elif way < 0.7:
            data[at : at + 1] = draw.choice(_OPCODES)
        else:  # the numbers of shapes, strides and offsets
            spots = [spot for spot in range(len(data) - 3) if data[spot] in b"KMJ"]
            if spots:
                spot = draw.choice(spots)
                width = {ord("K"): 1, ord("M"): 2, ord("J"): 4}[data[spot]]
                data[spot : spot + 1 + width] = b"\x8a\x08" + struct.pack(
                    "<q", draw.choice((0, 1, -1, 2**20, 2**40, 2**62))
                )
    return bytes(data)


def zip_of(members: Mapping[str, bytes], kind: int = zipfile.ZIP_STORED) -> bytes:
    """Return an archive of these members."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", kind) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, kind)
    return stream.getvalue()


def members_in(content: bytes) -> dict[str, bytes]:
    """Return the members of an archive."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def odd_name(draw: Draw) -> str:
    """Return a name that a file can have, perhaps one that hurts."""
    plain = "".join(draw.choice(string.ascii_letters) for _ in range(draw.randrange(1, 9)))
    name = draw.choice((plain, plain, plain + draw.choice(NASTY), draw.choice(NASTY)))
    return name.replace("/", "_").replace("\0", "_").replace("\ud800", "_")[:60].strip(".") or plain


def deep(opening: bytes, closing: bytes, depth: int = 2_000_000) -> bytes:
    return opening * depth + closing * depth
