"""Reads the `.safetensors` files of networks, samples and fault maps."""

from pathlib import Path
from typing import Any

import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from model.errors import HafnetError


def read_tensors(path: Path | str) -> tuple[dict[str, npt.NDArray[Any]], dict[str, str]]:
    """Tensors and metadata of a .safetensors file. Raises HafnetError for a missing or truncated one."""
    if not Path(path).is_file():
        raise HafnetError(f"{path}: no such file")
    try:
        with safe_open(path, framework="numpy") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {}  # noqa: SIM118  # no mapping
    except (SafetensorError, OSError, TypeError) as error:  # TypeError: bfloat16, which numpy has not
        raise HafnetError(f"{path}: not a whole .safetensors file of numpy's types ({error})") from None
