"""Makes `model`, `hdl` and `sim` our packages, also where a file of a user is called so; imported before any of them.

Python looks for a package in the folder of the script and in those of PYTHONPATH first, where a user may well have a
`model.py`. What was loaded before this module cannot be taken back.
"""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

ROOMS = ("model", "hdl", "sim")
ROOT = Path(__file__).resolve().parent


class Ours(MetaPathFinder):
    """Finds our packages beside this file, and nothing else."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return PathFinder.find_spec(fullname, [str(ROOT)]) if path is None and fullname in ROOMS else None


def ours_first(path: Sequence[str]) -> list[str]:
    """A search path with our folder before the first one that holds something called like one of our packages."""
    for index, entry in enumerate(path):
        if Path(entry).resolve() == ROOT:
            break
        found = (PathFinder.find_spec(name, [entry]) for name in ROOMS)
        if any(spec is not None and spec.origin is not None for spec in found):
            return [*path[:index], str(ROOT), *path[index:]]
    return list(path)


def take_rooms() -> None:
    """From here on our packages are found first. Raises ImportError where another of their names was loaded already."""
    for name in ROOMS:
        module = sys.modules.get(name)
        where = [*getattr(module, "__path__", ())]
        if module is not None and ROOT / name not in [Path(each).resolve() for each in where]:
            file = getattr(module, "__file__", None) or "".join(where[:1])
            raise ImportError(
                f"{file} was imported as {name!r}, the name of a package of Hafnet: write `import hafnet` before it, "
                "or give it another name",
                name=name,
            )
    if not any(isinstance(each, Ours) for each in sys.meta_path):
        sys.meta_path.insert(0, Ours())


take_rooms()
