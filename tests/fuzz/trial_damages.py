"""Damages of a trial's files, by their kind, and lines of a history that are sound."""

from __future__ import annotations

import json
import zipfile
import zlib

from tests.fuzz.mutations import (
    NASTY,
    Draw,
    damaged_bytes,
    damaged_line,
    damaged_pickle,
    damaged_value,
    json_text,
    members_in,
    zip_of,
)


def json_damage(draw: Draw, content: bytes) -> bytes:
    try:
        value = json.loads(content)
    except ValueError:  # damaged before
        return damaged_bytes(draw, content)
    return json_text(draw, damaged_value(draw, value))


def history_damage(draw: Draw, content: bytes) -> bytes:
    lines = content.splitlines(keepends=True)
    for _ in range(draw.choice((1, 1, 2))):
        at = draw.randrange(len(lines))
        lines[at] = damaged_line(draw, lines[at].rstrip() + b"\n")
        if draw.random() < 0.2:
            lines[at:at] = [draw.choice(lines)] * draw.choice((1, 40))
    return b"".join(lines)


def weights_damage(draw: Draw, content: bytes) -> bytes:
    if draw.random() < 0.35:
        return damaged_bytes(draw, content)
    members = members_in(content)
    name = draw.choice([name for name in members if name.endswith((".pkl", "data.pkl"))] * 4 + list(members))
    damage = damaged_pickle if name.endswith(".pkl") else damaged_bytes
    members[name] = damage(draw, members[name])
    if draw.random() < 0.05:
        members[f"archive/{draw.choice(NASTY[:4])}"] = b"x"
    return zip_of(members, draw.choice((zipfile.ZIP_STORED,) * 9 + (zipfile.ZIP_DEFLATED,)))


def line(epoch: int) -> bytes:
    return body_with_checksum(
        b'{"epoch": %d, "train_cost": 2.5, "train_cross_entropy": 2.25, "train_accuracy": 0.5, "test_cost": 2.0, '
        b'"test_accuracy": 0.25, "validation_cost": null, "validation_accuracy": null, "learning_rate": 0.001, '
        b'"seconds": 1.5, "images_per_second": 100.0, "dead_units": 0.0' % epoch
    )


def body_with_checksum(body: bytes) -> bytes:
    return body + f', "crc32": "{zlib.crc32(body):08x}"}}\n'.encode()
