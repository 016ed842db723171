"""`.safetensors` files whose digest is right and whose contents are not: what a careless tool might write."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.numpy import save_file

from model.tensors import Form, digest

Header = dict[str, Any]
Tensors = dict[str, Any]


def read_raw(path: Path, form: Form) -> tuple[Header, Tensors]:
    """The header as it stands in the file, digest and all, and the tensors."""
    with safe_open(path, framework="numpy") as file:
        header = json.loads((file.metadata() or {}).get(form.entry, "{}"))
        return header, {key: file.get_tensor(key).copy() for key in file.keys()}  # noqa: SIM118  # not a mapping


def write_signed(path: Path, form: Form, header: Header, tensors: Tensors) -> None:
    """A file with the digest of what is in it."""
    members = {name: member for name, member in header.items() if name != "digest"}
    text = json.dumps({**members, "digest": digest(members, tensors)})
    save_file(tensors, path, metadata={form.entry: text})


def change_signed(path: Path, form: Form, change: Callable[[Header, Tensors], object]) -> None:
    """Change a file, and its digest with it."""
    header, tensors = read_raw(path, form)
    change(header, tensors)
    write_signed(path, form, header, tensors)


def undigested(path: Path, form: Form) -> None:
    """Make a file one of before, when files had no digest."""
    header, tensors = read_raw(path, form)
    del header["digest"]
    header["version"] = form.undigested
    save_file(tensors, path, metadata={form.entry: json.dumps(header)} if form.undigested else None)
