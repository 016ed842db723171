"""Figures on our pages are those of today, and each is on a page."""

import re
from collections import Counter
from pathlib import Path

import figures
import pytest
from command import Run
from figures import FIGURES
from pages import PAGES, ROOT, keep, names, rewrite, table
from simulators import Require

PLACES = Counter(name for page in PAGES for name in names(page.read_text(encoding="utf-8")))
SLOW = [pytest.mark.slow, pytest.mark.timeout(3600)]
EACH = [pytest.param(name, marks=() if each.cost == "seconds" else SLOW) for name, each in FIGURES.items()]


@pytest.mark.parametrize("name", EACH)
def test_a_figure_is_the_one_of_today(name: str, require_simulator: Require) -> None:
    """`make figures` writes it anew; `make figures-all` also those that take long."""
    if FIGURES[name].cost != "seconds":
        require_simulator("icarus")
        require_simulator("verilator")
    assert [str(page.relative_to(ROOT)) for page in figures.differences(name)] == [], f"{name} is stale there"


def test_what_the_demo_generates_is_what_the_readme_says(tmp_path: Path, run: Run) -> None:
    """In every run: the demo itself, which trains and simulates, is a slow test above."""
    code, out, err = run("generate", tmp_path, "--shape", "256-96-96-10")
    assert code == 0, err
    assert f"    {out.splitlines()[0]}\n" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_each_figure_has_a_function_and_a_place() -> None:
    assert set(PLACES) == set(FIGURES)


def test_some_figures_are_checked_in_every_run() -> None:
    assert len([each for each in FIGURES.values() if each.cost == "seconds"]) >= 4


def test_a_changed_figure_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FIGURES, "cycles.planned", figures.Figure("seconds", lambda before: before + "1"))
    assert [page.parent.name for page in figures.differences("cycles.planned")] == ["benchmarks"]


def test_only_what_stands_between_markers_is_written() -> None:
    page = "a <!-- figure: x -->1<!-- /figure --> 1\n<!-- figure: y -->\n\n    1\n\n<!-- /figure -->\n"
    assert rewrite(page, {"x": lambda before: before + "2"}) == page.replace("x -->1", "x -->12")
    assert rewrite(page, {"y": lambda before: before + "2"}) == page.replace("    1\n", "    12\n")
    assert rewrite(page, {}) == page


@pytest.mark.parametrize(
    "page", ["<!-- figure: x -->1", "1<!-- /figure -->", "<!-- figure: x --><!-- figure: y --><!-- /figure -->"]
)
def test_a_marker_without_its_counterpart_is_told(page: str) -> None:
    with pytest.raises(ValueError, match="begins or ends without the other"):
        list(names(page))


def test_lines_that_depend_on_the_machine_stay_as_they_stand() -> None:
    today = "files 2\nseconds, train    9.9\nseconds, new   1.1"
    stands = "files 1\nseconds, train    5.0\nseconds, old   7.7"
    volatile = re.compile(r"seconds, \w+")
    assert keep(today, stands, volatile) == "files 2\nseconds, train    5.0\nseconds, new   1.1"


def test_whole_numbers_are_in_groups_of_three_digits() -> None:
    assert table(("a", "b"), [("x", 12345)]) == "| a | b |\n| --- | --- |\n| x | 12,345 |"
