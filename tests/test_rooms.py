"""The rules of the rooms: imports run one way, torch stays with training and campaigns, hardware never sees weights."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAY_IMPORT = {"model": {"model"}, "hdl": {"model", "hdl"}, "sim": {"model", "hdl", "sim", "hafnet_rooms"}}
ROOMS = {*MAY_IMPORT, "hafnet", "hafnet_rooms"}
# Modules that hold weights or floating point: the hardware is described from geometry alone.
WEIGHTS = ("network", "golden", "images", "samples", "training", "device", "campaign")
NOT_FOR_HDL = {"numpy", "torch", *(f"model.{name}" for name in WEIGHTS)}
# Where torch computes the golden model's integers, many times over.
TORCH_TOO = {"model/campaign/engine.py", "model/campaign/layers.py"}
UNFINISHED = re.compile("TO" + "DO|FIX" + "ME")
TEXT = {".py", ".sv", ".v", ".vlt", ".md", ".toml", ".txt", ""}


def imports(path: Path) -> set[str]:
    """Absolute names of all modules that a file imports, wherever in it; `from a import b` gives a and a.b."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            assert node.module
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def within(name: str, modules: set[str]) -> bool:
    """Whether a dotted name is one of the modules or lies in one."""
    return any(name == module or name.startswith(module + ".") for module in modules)


def broken_rules(root: Path) -> list[str]:
    """One line for each import of a room that breaks a rule."""
    broken = []
    for room, allowed in MAY_IMPORT.items():
        for path in sorted((root / room).rglob("*.py")):
            where = path.relative_to(root).as_posix()
            forbidden = ROOMS - allowed
            if not where.startswith("model/training/") and where not in TORCH_TOO:
                forbidden |= {"torch"}
            if room == "hdl":
                forbidden |= NOT_FOR_HDL
            broken += [f"{where} imports {name}" for name in sorted(imports(path)) if within(name, forbidden)]
    return broken


def own_files(root: Path) -> Iterator[Path]:
    """Text files of the project: all but hidden and generated folders."""
    for entry in sorted(root.iterdir()):
        if entry.name == ".ci" or not (entry.name.startswith(".") or entry.name in {"build", "dist"}):
            for path in [entry] if entry.is_file() else sorted(entry.rglob("*")):
                if path.is_file() and path.suffix in TEXT:
                    yield path


def test_imports_run_one_way() -> None:
    assert broken_rules(ROOT) == []


@pytest.mark.parametrize(
    ("where", "line"),
    [
        ("model/a.py", "from hdl import array"),
        ("model/a.py", "def f() -> None:\n    import sim.runner"),
        ("model/a.py", "import torch.nn as nn"),
        ("model/campaign/a.py", "import torch"),
        ("hdl/a.py", "from sim import runner"),
        ("hdl/a.py", "from model import network"),
        ("hdl/a.py", "import numpy as np"),
        ("sim/a.py", "import hafnet"),
    ],
)
def test_a_broken_rule_is_found(tmp_path: Path, where: str, line: str) -> None:
    path = tmp_path / where
    path.parent.mkdir(parents=True)
    path.write_text(line + "\n")
    assert broken_rules(tmp_path)
    assert all(found.startswith(where) for found in broken_rules(tmp_path))


@pytest.mark.parametrize(
    ("where", "line"),
    [
        ("model/training/a.py", "import torch"),
        ("model/campaign/engine.py", "import torch"),
        ("hdl/a.py", "from model.mapping import Geometry"),
        ("sim/a.py", "from model.golden import infer\nimport hdl.arrays.tile"),
        ("model/a.py", "import simple_torch_like_name"),
    ],
)
def test_a_kept_rule_is_not(tmp_path: Path, where: str, line: str) -> None:
    path = tmp_path / where
    path.parent.mkdir(parents=True)
    path.write_text(line + "\n")
    assert broken_rules(tmp_path) == []


def test_every_import_is_a_declared_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    requirements = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    declared = {re.split(r"[^\w.-]", line, maxsplit=1)[0].lower().replace("_", "-") for line in requirements}
    provided = packages_distributions()
    used = {name.split(".")[0] for path in own_files(ROOT) if path.suffix == ".py" for name in imports(path)}
    ours = ROOMS | {path.stem for folder in ("tests", "docs", "benchmarks") for path in (ROOT / folder).glob("*.py")}
    undeclared = {
        name
        for name in used - ours - set(sys.stdlib_module_names)
        if not {distribution.lower().replace("_", "-") for distribution in provided.get(name, [])} & declared
    }
    assert undeclared == set()


def test_nothing_is_left_unfinished() -> None:
    files = list(own_files(ROOT))
    assert ROOT / "pyproject.toml" in files
    assert Path(__file__) in files
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in files
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if UNFINISHED.search(line)
    ]
    assert found == []
