"""Reads the `.safetensors` files of networks, samples and fault maps."""

from pathlib import Path
from typing import Any

import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from model.errors import HafnetError
from model.user_files import check


def read_tensors(path: Path | str) -> tuple[dict[str, npt.NDArray[Any]], dict[str, str]]:
    """Tensors and metadata of a .safetensors file. Raises HafnetError for a missing or truncated one."""
    check(path)
    try:
        with safe_open(path, framework="numpy") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {}  # noqa: SIM118  # no mapping
    except (SafetensorError, OSError, TypeError, ValueError, MemoryError) as error:
        # TypeError: bfloat16, which numpy has not; ValueError: more axes than numpy has.
        raise HafnetError(f"{path}: not a whole .safetensors file of numpy's types ({error})") from None
