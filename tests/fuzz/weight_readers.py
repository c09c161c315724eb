"""The readers of weights, checkpoints and exported trials."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Callable

from tests.fuzz.mutations import (
    Draw,
    damaged_bytes,
    damaged_safetensors,
    damaged_toml,
    damaged_value,
    members_in,
    zip_of,
)
from tests.fuzz.reader import OneFile, Reader, TrialFiles
from tests.fuzz.trial_damages import history_damage, json_damage, weights_damage


class Weights(TrialFiles):
    """A trial's weights, beside its settings."""

    share = 70
    damages = {"model.pt": weights_damage}

    def read(self) -> object:
        from core.saved_model import open_model

        return open_model(self.directory / "model.pt")


class StateDict(OneFile):
    """A bare state_dict, as anybody may have saved it."""

    share = 70
    name = "bare.pt"
    worst = (
        lambda: pickled(b"cbuiltins\nbytearray\n\x8a\x05\x00\x00\x00\x00\x01\x85R."),
        lambda: pickled(b"cbuiltins\nbytearray\nJ\x00\x00\x00\x70\x85R."),
        lambda: pickled(b"]" * 15_000_000 + b"."),
        lambda: pickled(b"}" * 1_900_000 + b"."),
        lambda: pickled(b"(" * 1_900_000 + b"."),
        lambda: pickled(b"K\x01" * 7_000_000 + b"."),
        lambda: pickled(b"I" + b"9" * 10_000_000 + b"\n."),
        lambda: pickled(b"X\xff\xff\xff\x7f."),
        lambda: pickled(b"ctorch\nTensor\nJ\xff\xff\xff\x7f\x85R."),
        lambda: pickled(b"ctorch\nFloatTensor\nJ\xff\xff\xff\x3f\x85R."),
        lambda: pickled(b"ctorch.storage\nUntypedStorage\nJ\xff\xff\xff\x7f\x85R."),
        lambda: many_views(),  # noqa: PLW0108 - it is defined below
        lambda: zip_of({f"archive/data/{at}": b"" for at in range(60_000)}),
        lambda: _claims_entries(),  # noqa: PLW0108
    )

    def contents(self) -> list[bytes]:
        return [(self.seeds.trial / name).read_bytes() for name in ("model.pt", "best.pt")]

    def damaged(self, draw: Draw, content: bytes) -> bytes:
        return weights_damage(draw, content)

    def read(self) -> object:
        from core.saved_model import open_model

        return open_model(self.path)


def pickled(content: bytes) -> bytes:
    return zip_of({"archive/data.pkl": b"\x80\x02" + content, "archive/version": b"3\n", "archive/data/0": bytes(64)})


def many_views() -> bytes:
    """Return a file of 4 MB in which 400 tensors are the same 4 MB."""
    import torch

    stream, tensor = io.BytesIO(), torch.zeros(1_000, 1_000)
    torch.save({f"linear{at}.weight": tensor.view(1_000, 1_000) for at in range(1, 400)}, stream)
    return stream.getvalue()


def _claims_entries() -> bytes:
    """Return an archive of 50 MB that is a table of contents and nothing else."""
    entry = struct.pack("<4s6H3L5H2L", b"PK\x01\x02", 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"a"
    table = entry * 1_000_000
    record = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 10**6, 10**6, len(table), 0)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, len(table), 1)
    return (
        table + record + locator + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 2**32 - 1, 2**32 - 1, 0)
    )


class Checkpoints(TrialFiles):
    """The checkpoint and the files that must belong to it."""

    share = 70
    damages = {
        "checkpoint.safetensors": damaged_safetensors,
        "ran_on.json": json_damage,
        "history.jsonl": history_damage,
        "predictions": damaged_bytes,
        "settings.toml": lambda draw, content: damaged_toml(draw, content.decode(errors="replace")),
    }
    worst = (
        lambda: (2**40).to_bytes(8, "little") + b"{" * 100,
        lambda: (2**64 - 1).to_bytes(8, "little") + b"{}",
        lambda: (900_000).to_bytes(8, "little") + b"[" * 900_000,
        lambda: tensors(b'{"a":{"dtype":"F32","shape":[1099511627776],"data_offsets":[0,4398046511104]}}'),
        lambda: tensors(
            b'{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},'
            b'"b":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}'
        ),
        lambda: tensors(b'{"a":{"dtype":"F32","shape":[4],"data_offsets":[-16,0]}}'),
        lambda: tensors(many_entries(1_000_000)),
        lambda: tensors(many_entries(17_000)),
    )

    def read(self) -> object:
        from core.trials.stored import read_stored
        from core.trials.trial import Trial

        return read_stored(Trial(self.directory))


def tensors(header: bytes) -> bytes:
    return len(header).to_bytes(8, "little") + header + bytes(64)


def many_entries(count: int) -> bytes:
    """Return a header that names so many tensors without values."""
    return (
        b"{" + b",".join(b'"t%d":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}' % at for at in range(count)) + b"}"
    )


class Archives(OneFile):
    """A trial that was exported."""

    share = 70
    name = "one.trialbook"

    def damaged(self, draw: Draw, content: bytes) -> bytes:
        import hashlib

        if draw.random() < 0.3:
            return damaged_bytes(draw, content)
        members = members_in(content)
        manifest = json.loads(members.pop("manifest.json"))
        for _ in range(draw.choice((1, 1, 2))):
            name = draw.choice(list(members))
            members[name] = _MEMBER_DAMAGES[name](draw, members[name])
        if draw.random() < 0.9:
            manifest["members"] = {name: hashlib.sha256(each).hexdigest() for name, each in members.items()}
        else:
            manifest = damaged_value(draw, manifest)
        return zip_of({**members, "manifest.json": json.dumps(manifest).encode()})

    def read(self) -> object:
        from core.errors import TrialError
        from core.trials.archive import UnsoundError, opened_archive
        from core.trials.contents import contents_of

        try:
            with opened_archive(self.path) as members:
                return contents_of(members)
        except UnsoundError as error:  # as `import_trial` does, whose writes would take all the time
            raise TrialError(f"cannot import: {error}") from error


_MEMBER_DAMAGES: dict[str, Callable[[Draw, bytes], bytes]] = {
    "settings.toml": lambda draw, content: damaged_toml(draw, content.decode(errors="replace")),
    "summary.json": json_damage,
    "about.json": json_damage,
    "ran_on.json": json_damage,
    "history.jsonl": history_damage,
    "predictions": damaged_bytes,
    "test_labels": damaged_bytes,
    "model.safetensors": damaged_safetensors,
    "best.safetensors": damaged_safetensors,
}


READERS: dict[str, type[Reader]] = {
    "weights": Weights,
    "state_dict": StateDict,
    "checkpoint": Checkpoints,
    "archive": Archives,
}
