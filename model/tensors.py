"""`.safetensors` files of networks, samples and fault maps, each with a digest of its contents.

A file has tensors and one metadata entry, a JSON text: members that say what the tensors are, the format's `version`,
and `digest`, the SHA-256 of all the others. One entry, because the library does not fix the order of several. A file
of before, without a digest, is read with a `HafnetWarning`.
"""

import hashlib
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from model.errors import HafnetError, HafnetWarning, short
from model.files import write_whole
from model.json_text import parse_json
from model.readers import check_version
from model.user_files import check

Tensors: TypeAlias = Mapping[str, npt.NDArray[Any]]
Members: TypeAlias = Mapping[str, Any]

SHOWN = 12
"""Digits of a digest that a sentence shows."""


@dataclass(frozen=True)
class Form:
    """A kind of file: `what` it is, its metadata `entry` and the `members` that this may have, the `version` that is
    written, and the last `undigested` one, which had no digest (0: which had no metadata either).
    """

    what: str
    entry: str
    members: tuple[str, ...]
    version: int
    undigested: int


def digest(members: Members, tensors: Tensors) -> str:
    """The SHA-256 of members and tensors (names, types, shapes, elements), whatever their order, in 64 digits."""
    found = hashlib.sha256()
    parts = [json.dumps(members, sort_keys=True).encode()]
    for name, tensor in sorted(tensors.items()):
        little = np.asarray(tensor).astype(tensor.dtype.newbyteorder("<"), copy=False)
        parts += [name.encode(), f"{little.dtype.str} {little.shape}".encode(), little.tobytes()]
    for part in parts:
        found.update(len(part).to_bytes(8, "little") + part)
    return found.hexdigest()


def short_digest(digest: str) -> str:
    """A digest as sentences show it."""
    return f"{digest[:SHOWN]}…"


def tensors_to_bytes(form: Form, members: Members, tensors: Tensors) -> bytes:
    """The bytes of a file. The same members and tensors give the same bytes."""
    whole = {**members, "version": form.version}
    header = json.dumps({**whole, "digest": digest(whole, tensors)}, sort_keys=True)
    # The library writes elements as they lie in memory, in whatever order.
    ordered = {name: np.array(tensor, order="C") for name, tensor in tensors.items()}
    return save(ordered, metadata={form.entry: header})


def write_tensors(path: Path | str, form: Form, members: Members, tensors: Tensors) -> None:
    """Write a file, whole or not at all."""
    write_whole(path, tensors_to_bytes(form, members, tensors))


def read_tensors(path: Path | str, form: Form) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    """Members (without version and digest; none, where a file of before had no metadata) and tensors of a file.

    Raises HafnetError, naming the file, where it is missing, truncated, of another form or version, or not what its
    digest says, and for metadata that the form does not know.
    """
    metadata, tensors = _read(path)
    try:
        return _checked(path, form, metadata, tensors), tensors
    except HafnetError as error:
        raise HafnetError(f"{path}: {error}") from None


def _read(path: Path | str) -> tuple[dict[str, str], dict[str, npt.NDArray[Any]]]:
    check(path)
    try:
        with safe_open(path, framework="numpy") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  # no mapping
            return file.metadata() or {}, tensors
    except (SafetensorError, OSError, TypeError, ValueError, MemoryError) as error:
        # TypeError: bfloat16, which numpy has not; ValueError: more axes than numpy has.
        raise HafnetError(f"{path}: not a whole .safetensors file of numpy's types ({str(error)[:120]})") from None


def _checked(path: Path | str, form: Form, metadata: Mapping[str, str], tensors: Tensors) -> dict[str, Any]:
    if form.entry not in metadata:
        if metadata or form.undigested:
            raise HafnetError(f"a .safetensors file, but no {form.what} (metadata entry {form.entry!r} is missing)")
        _warn(path)
        return {}
    if len(metadata) > 1:
        other = min(set(metadata) - {form.entry})
        raise HafnetError(f"metadata entry {short(other)} is not known, only {form.entry!r}")
    try:
        members = parse_json(metadata[form.entry])
    except HafnetError as error:
        raise HafnetError(f"metadata entry {form.entry!r} is damaged ({error})") from None
    if not isinstance(members, dict) or "version" not in members:
        raise HafnetError(f"metadata entry {form.entry!r} is damaged (it is no object with a version)")
    version = members.pop("version")
    check_version(version, form.version, form.undigested or None)
    if unknown := set(members) - {*form.members, "digest"}:
        raise HafnetError(f"metadata entry {form.entry!r}: member {short(min(unknown))} is not known")
    said = members.pop("digest", None)
    if said is None and version <= form.undigested:
        _warn(path)
        return dict(members)
    found = digest({**members, "version": version}, tensors)
    if said != found:
        says = short_digest(said) if isinstance(said, str) else short(said)
        raise HafnetError(f"the contents have SHA-256 {short_digest(found)}, but the file says {says}: it was changed")
    return dict(members)


def _warn(path: Path | str) -> None:
    text = f"{path} has no digest of its contents, so that damage to it would not be seen; what is saved now has one"
    warnings.warn(text, HafnetWarning, stacklevel=4)
