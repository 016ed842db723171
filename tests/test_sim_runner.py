"""What is left of builds and simulations that did not end well."""

import shutil
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from model.errors import HafnetError
from sim import runner
from sim.interrupts import Stopped
from sim.runner import SimulationError, build
from sim.tools import Tool

TOOL = Tool("verilator", "0", MappingProxyType({}))


class Runner:
    """In place of cocotb's: leaves an object file, and fails as it is told."""

    error: BaseException | None = None
    found: list[str]

    def build(self, build_dir: Path, **_: Any) -> None:
        Runner.found = sorted(path.name for path in build_dir.rglob("*") if path.suffix in runner.OBJECTS)
        (build_dir / "sub").mkdir(exist_ok=True)
        for name in ("verilated.o", "sub/Vsub__ALL.a", "Vtop__pch.h.gch"):
            (build_dir / name).touch()
        if Runner.error is not None:
            raise Runner.error


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(runner, "get_runner", lambda name: Runner())
    (tmp_path / "top.sv").write_text("module top; endmodule\n")
    Runner.error = None
    return tmp_path / "top.sv"


def test_objects_of_a_build_that_was_stopped_are_not_believed(source: Path) -> None:
    folder = source.parent / "build"
    Runner.error = Stopped(15)
    with pytest.raises(Stopped) as stopped:
        build(TOOL, [source], "top", folder, ports=[])
    assert stopped.value.code == 143
    Runner.error = None
    build(TOOL, [source], "top", folder, ports=[])
    assert Runner.found == []
    source.write_text("module top; wire a; endmodule\n")
    build(TOOL, [source], "top", folder, ports=[])
    assert len(Runner.found) == 3  # those of a whole build save time


def test_a_source_that_changes_while_it_is_built_is_built_again(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, folder = Runner.build, source.parent / "build"

    def changing(self: Runner, build_dir: Path, **options: Any) -> None:
        source.write_text("module top; wire b; endmodule\n")
        real(self, build_dir, **options)

    monkeypatch.setattr(Runner, "build", changing)
    build(TOOL, [source], "top", folder, ports=[])
    assert not (folder / "built").exists()
    build(TOOL, [source], "top", folder, ports=[])
    assert (folder / "built").exists()


@pytest.mark.parametrize(("free", "kind"), [(4096, HafnetError), (1 << 30, SimulationError)])
def test_a_full_disk_is_told_in_place_of_what_it_broke(
    source: Path, monkeypatch: pytest.MonkeyPatch, free: int, kind: type[Exception]
) -> None:
    usage = shutil.disk_usage(source.parent)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage._replace(free=free))
    Runner.error = RuntimeError("Command failed")
    with pytest.raises(kind, match="no space is left on the disk" if kind is HafnetError else "does not build"):
        build(TOOL, [source], "top", source.parent / "build", ports=[])
