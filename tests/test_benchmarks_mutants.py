"""Random mutants of generated Verilog: how they are made, and a small sample of what `verify` makes of them."""

from pathlib import Path

import mutants
import pytest
from mutation import KINDS, Module, expression
from rich.console import Console
from simulators import Require

TEXT = """\
module hafnet_counter(clk, rst, i, o);
  wire [4:0] _0_;
  wire [3:0] _1_;
  wire _2_;
  input clk;
  wire clk;
  input rst;
  wire rst;
  input [3:0] i;
  wire [3:0] i;
  output [3:0] o;
  reg [3:0] o = 4'h0;
  assign _0_ = o + 1'h1;
  assign _1_ = _2_ ? _0_[3:0] : i;
  assign _2_ = i == 4'h3;
  always_ff @(posedge clk)
    if (rst) o <= 4'h0;
    else if (_2_) o <= _1_;
endmodule
"""


def test_mutants_are_of_all_kinds_each_in_one_line_and_the_same_for_a_seed() -> None:
    module = Module.read("hafnet_counter.sv", TEXT)
    made = list(module.mutants(1))
    assert {each.kind for each in made} == set(KINDS)
    assert made == list(module.mutants(1))
    lines = TEXT.split("\n")
    for each in made:
        changed = each.apply(TEXT).split("\n")
        assert [number for number, pair in enumerate(zip(lines, changed, strict=True), 1) if len(set(pair)) > 1] == [
            each.line
        ]
    after = {each.after.strip() for each in made}
    assert {
        "assign _0_ = o - 1'h1;",
        "assign _1_ = _2_ ? i : _0_[3:0];",
        "assign _1_ = _2_ ? { 1'h0, _0_[2:0] } : i;",
        "assign _2_ = i != 4'h3;",
        "assign _2_ = i == 4'h4;",
        "if (1'h0) o <= 4'h0;",
        "if (rst) o <= 4'h1;",
        "else if (!_2_) o <= _1_;",
        "else if (1'h1) o <= _1_;",
    } <= after
    # The sum's highest bit is not used, so that a net without it would be no defect.
    assert "wire [3:0] _0_;" not in after
    assert "wire [2:0] _1_;" in after


def test_an_expression_does_not_depend_on_the_names_of_inner_nets() -> None:
    module = Module.read("hafnet_counter.sv", TEXT)
    renamed = Module.read("hafnet_counter.sv", TEXT.replace("_0_", "_7_").replace("_2_", "_8_"))
    for line, other in zip(module.lines, renamed.lines, strict=True):
        assert expression(module, line) == expression(renamed, other)
    assert expression(module, module.lines[13]) == "assign _ = (i == 4'h3) ? (o + 1'h1)[3:0] : i;"


def test_mutants_that_are_said_to_be_equivalent_have_a_reason() -> None:
    for each in mutants.equivalents():
        assert set(each) == {"module", "before", "after", "reason"}
        assert len(each["reason"]) > 20
        assert each["before"] != each["after"]


@pytest.mark.slow
def test_verify_finds_most_of_a_sample_of_mutants(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, require_simulator: Require
) -> None:
    require_simulator("icarus")
    monkeypatch.setattr(mutants, "FOLDER", tmp_path)
    scores = mutants.show(mutants.campaign(12, seed=1), Console())
    assert min(scores.values()) >= 0.5  # of which some are equivalent, see benchmarks/README.md
