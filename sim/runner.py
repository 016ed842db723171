"""Builds a design and runs a bench on it, on Icarus or Verilator behind one interface.

A bench is a cocotb test module of this package. It takes a job (JSON) and leaves a result (JSON), so that it can be
run from pytest and from the command line alike.
"""

import hashlib
import json
import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cocotb_tools.check_results import get_results
from cocotb_tools.runner import get_runner

from hafnet_rooms import ours_first
from hdl.emit import BY_PATH
from model.errors import HafnetError
from model.files import naming
from sim.interrupts import Stopped
from sim.tools import Tool

TIMESCALE = ("1ns", "1ps")

JOB = "HAFNET_JOB"
"""Environment variable with the path of the job's file; the result goes beside it."""
REWRITES = {"COCOTB_REWRITE_ASSERTION_FILES": "bench_*.py"}
"""pytest's way of telling what an assertion compared. Told nothing, cocotb has every module rewritten that a bench
imports, and keeps the result beside it, in Python's own folders too.
"""

PARENT = "HAFNET_PARENT"
"""Environment variable with the number of the process that waits for the bench."""

# Verilator makes everything writable from outside unless told otherwise, and then optimises little.
VERILATOR_ARGUMENTS = ["--no-public-flat-rw", "-Wno-fatal"]

# Large designs: blocks by themselves, and C++ that is worth a few seconds more of the compiler. Verilator would turn
# each addition of two bits into a call that counts the ones of a word.
SHARED_ARGUMENTS = [
    "--hierarchical",
    f"-D{BY_PATH}",
    "-fno-dfg-peephole-replace-add-with-count-ones",
    "-CFLAGS",
    "-O2",
]


UNFINISHED = "unfinished"
"""A file in the folder of a build until it has succeeded."""
OBJECTS = (".o", ".a", ".d", ".gch")

NO_SPACE = 1 << 16
"""Bytes: with fewer on the disk, what a simulator or a bench left may be cut off."""


class SimulationError(Exception):
    """A simulator or a bench failed; the message names the log and quotes its end."""


@dataclass(frozen=True)
class Design:
    """A built design: run any bench on it, as often as needed."""

    tool: Tool
    top: str
    folder: Path
    waves: bool

    def waves_file(self, run_folder: Path) -> Path | None:
        """Where a run leaves its waveforms, if it does."""
        if not self.waves:
            return None
        return self.folder / f"{self.top}.fst" if self.tool.name == "icarus" else run_folder / "dump.vcd"

    def run(
        self,
        bench: str,
        folder: Path,
        job: Mapping[str, Any],
        progress: Callable[[int], None] | None = None,
        *,
        plusargs: Sequence[str] = (),
        env: Mapping[str, str] = MappingProxyType({}),
    ) -> Any:
        """Run the bench module `bench` with working folder `folder`; returns its result.

        `plusargs` are given to the simulation, and `env` to its environment. `progress` is called now and then with
        what the bench says of its progress. Raises SimulationError where the bench fails or leaves no result.
        """
        folder = folder.resolve()
        folder.mkdir(parents=True, exist_ok=True)
        job_file, result_file, log = folder / "job.json", folder / "result.json", folder / "simulation.log"
        with naming(job_file):
            job_file.write_text(json.dumps(job), encoding="utf-8")
        result_file.unlink(missing_ok=True)
        runner = get_runner(self.tool.name)
        with space_left(folder), self.tool.on_path(), _ours_first(), _watched(folder / "progress", progress):
            try:
                results = runner.test(
                    test_module=bench,
                    hdl_toplevel=self.top,
                    hdl_toplevel_lang="verilog",
                    build_dir=self.folder,
                    test_dir=folder,
                    plusargs=list(plusargs),
                    extra_env={**REWRITES, JOB: str(job_file), PARENT: str(os.getpid()), **env},
                    results_xml=str(folder / "results.xml"),
                    timescale=TIMESCALE,
                    log_file=str(log),
                    waves=self.waves,
                )
                failed = get_results(results)[1]
            except Stopped:
                raise
            except (RuntimeError, SystemExit) as error:
                raise SimulationError(f"{bench} failed on {self.tool.name} ({log}):\n{_tail(log)}") from error
            if failed or not result_file.exists():
                raise SimulationError(f"{bench} failed on {self.tool.name} ({log}):\n{_tail(log)}")
        return json.loads(result_file.read_text(encoding="utf-8"))


@contextmanager
def _ours_first() -> Iterator[None]:
    """Have the simulator's Python, whose search path cocotb makes of this one's, find our packages first."""
    before = list(sys.path)
    sys.path[:] = ours_first(before)
    try:
        yield
    finally:
        sys.path[:] = before


@contextmanager
def space_left(folder: Path) -> Iterator[None]:
    """Raises HafnetError in place of SimulationError where the disk of `folder` is full, which then is to blame.

    A simulator does not say so, but ends early, or leaves files that are cut off.
    """
    try:
        yield
    except SimulationError:
        if shutil.disk_usage(folder).free < NO_SPACE:
            raise HafnetError(f"{folder}: no space is left on the disk") from None
        raise


@contextmanager
def _watched(file: Path, progress: Callable[[int], None] | None) -> Iterator[None]:
    """Call `progress` with the number in `file` a few times a second."""
    file.unlink(missing_ok=True)
    if progress is None:
        yield
        return
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.2):
            if file.exists() and (text := file.read_text(encoding="utf-8")):
                progress(int(text))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def build(
    tool: Tool,
    sources: Sequence[Path],
    top: str,
    folder: Path,
    *,
    ports: Sequence[str],
    probes: Sequence[str] = (),
    shared: Sequence[str] = (),
    waves: bool = False,
) -> Design:
    """Build the module `top` from `sources` (.sv and .vlt) in `folder`, unless just this was built there before.

    `ports` are the top module's ports that a bench drives or reads, `probes` its inner nets that a bench reads.
    `shared` are modules that Verilator builds once for all their instances; memories then load images by their own
    path (see `hdl.emit.BY_PATH`). Raises SimulationError where the simulator refuses the sources, HafnetError where the
    folder cannot be built in.
    """
    folder = folder.resolve()
    if tool.name == "verilator" and any(letter.isspace() for letter in str(folder)):
        raise HafnetError(
            f"Verilator cannot build in {str(folder)!r}: make allows no space in a folder's name (Icarus does)"
        )
    folder.mkdir(parents=True, exist_ok=True)
    design = Design(tool, top, folder, waves)
    verilog = [source.resolve() for source in sources if source.suffix == ".sv"]
    control = [source.resolve() for source in sources if source.suffix == ".vlt"]
    arguments: list[str] = []
    if tool.name == "verilator":
        access = folder / "access.vlt"
        with naming(access):
            access.write_text(_access(top, ports, probes, shared), encoding="utf-8")
        control.append(access)
        arguments = [*VERILATOR_ARGUMENTS, *(SHARED_ARGUMENTS if shared else [])]
        verilog = [*control, *verilog]
    stamp, fingerprint = folder / "built", _fingerprint(design, verilog, arguments)
    if stamp.exists() and stamp.read_text(encoding="utf-8", errors="surrogateescape") == fingerprint:
        return design
    stamp.unlink(missing_ok=True)
    _drop_unfinished(folder)
    log = folder / "build.log"
    runner = get_runner(tool.name)
    with space_left(folder), tool.on_path():
        try:
            runner.build(
                sources=verilog,
                hdl_toplevel=top,
                build_dir=folder,
                build_args=arguments,
                always=True,
                timescale=TIMESCALE,
                log_file=str(log),
                waves=waves,
            )
        except Stopped:
            raise
        except (RuntimeError, SystemExit) as error:
            raise SimulationError(f"{tool.name} does not build {top} ({log}):\n{_tail(log)}") from error
    (folder / UNFINISHED).unlink()
    if _fingerprint(design, verilog, arguments) == fingerprint:  # nobody has changed the sources meanwhile
        stamp.write_text(fingerprint, encoding="utf-8", errors="surrogateescape")  # names of files may be no text
    return design


def _drop_unfinished(folder: Path) -> None:
    """Begin a build in a folder: what a compiler was writing when an earlier build was killed, `make` would believe."""
    mark = folder / UNFINISHED
    if mark.exists():
        for path in folder.rglob("*"):
            if path.suffix in OBJECTS:
                path.unlink()
    with naming(mark):
        mark.touch()


def _access(top: str, ports: Sequence[str], probes: Sequence[str], shared: Sequence[str]) -> str:
    """Verilator control file: what the bench may touch, and what is built by itself."""
    lines = [f'public_flat_rw -module "{top}" -var "{port}"' for port in ports]
    lines += [f'public_flat_rd -module "{top}" -var "{probe}"' for probe in probes]
    lines += [f'hier_block -module "{module}"' for module in shared]
    return "\n".join(["`verilator_config", *lines, ""])


def _fingerprint(design: Design, sources: Sequence[Path], arguments: Sequence[str]) -> str:
    """What the build was made from: tool, options and the bytes of all sources."""
    told = f"{design.tool.name} {design.tool.version} {design.top} {design.waves} {arguments}"
    return "\n".join([told, *(f"{hashlib.sha256(source.read_bytes()).hexdigest()} {source}" for source in sources), ""])


def _tail(log: Path, lines: int = 30) -> str:
    return (
        "\n".join(log.read_text(errors="replace", encoding="utf-8").splitlines()[-lines:])
        if log.exists()
        else "no log was written"
    )
