"""Tables: whatever stands in them is shown as it is, and nothing is lost, however narrow they are read."""

import io
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from ugly import NAMES, account, outcome, ugly_network

from model.faults import random_faults
from model.mapping import Geometry
from model.pipeline import Results
from model.placement import place
from model.plan import Plan
from sim.netlist import Netlist
from sim.plans import plan_table
from sim.report import (
    cells_table,
    energy_table,
    facts_table,
    layer_uses,
    placement_table,
    points_table,
    programming_table,
    sensitivity_table,
    summarise,
    summary_table,
    uses_table,
    verification_table,
)
from sim.tables import LEAST_PROSE, Column, Table, busy, counting_bar, plain_console, right
from sim.verify import Verification

WIDTHS = (20, 40, 80, 200, None)
"""Columns of a terminal; None: a file."""


def shown(table: Table, width: int | None) -> str:
    """What is printed on a terminal of so many columns, or, at None, into a file."""
    file = io.StringIO()
    console = plain_console(file=file, force_terminal=width is not None, width=width or 30, color_system=None)
    console.print(table)
    return file.getvalue()


def is_in_pieces(word: str, text: str) -> bool:
    """Whether a word is there, if need be in pieces that fill lines of their own."""
    while word not in text:
        piece = next((size for size in range(len(word), LEAST_PROSE // 2, -1) if word[:size] in text), 0)
        if not piece:
            return False
        word = word[piece:]
    return True


def check_whole(table: Table, width: int | None) -> None:
    text = shown(table, width)
    wrapped = {row[index] for index, column in enumerate(table.columns) if column.prose for row in table.rows}
    wrapped |= {column.heading for column in table.columns}
    for each in table.texts:
        if each not in text:  # on a terminal long texts and headings are wrapped: their words are there, then
            assert width is not None, each
            assert each in wrapped, each
            assert all(is_in_pieces(word, text) for word in each.split()), each
    lines = text.splitlines()
    if width is not None and any("───" in line for line in lines):
        framed = [line for line in lines if line not in (table.title, table.caption)]
        assert max(map(cell_len, framed)) <= width


def product_tables() -> Iterator[tuple[str, Table]]:
    """Every table that a verb shows, of a network whose layers have ugly names."""
    network = ugly_network()
    plan = Plan(Geometry(4, 5), fidelity="noisy").of(network.topology)
    verification = Verification("verilator", "5.0 [x]", 3, 9, 0, (), 0.5, 12.0, 1.0, 2.0, None)
    uses = layer_uses(network, plan, 12)
    yield "uses", uses_table(uses)
    yield "verification", verification_table(verification)
    told = {"accuracy": 0.5}
    object.__setattr__(network, "origin", told)
    yield "summary", summary_table(summarise(network, plan, 0.5, [verification], {"train": 1.0}))
    yield "plan", plan_table(network.topology, plan, Results())
    found = outcome(dict.fromkeys(NAMES, (0.5, 0.75)), network=network)
    yield "points", points_table(found)
    yield "facts", facts_table(found)
    yield "neurons", sensitivity_table(found)
    faults = random_faults(network.topology, plan, stuck=0.2, weak=0.1, seed=1)
    yield "placement", placement_table(place(network, plan, faults))
    spent = account(dict.fromkeys(NAMES, 9e9), topology="[/x]30-10-2")
    yield "energy", energy_table(spent)
    yield "energy, not counted", energy_table(account(dict.fromkeys(NAMES, 9), counted=False))
    yield "programming", programming_table(spent)
    cells = {"TRELLIS_FF[/x]": 12_345_678, "$_DFF_P_": 3}
    yield "cells", cells_table(Netlist(1, "ecp5", "synth_ecp5 [/x]", "0.70", "top", "a", "b", cells, ()))


TABLES = dict(product_tables())


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", TABLES)
def test_nothing_of_a_table_is_lost(name: str, width: int | None) -> None:
    assert TABLES[name].texts
    check_whole(TABLES[name], width)


@pytest.mark.parametrize("name", [name for name in TABLES if name not in ("energy", "programming", "cells")])
def test_names_are_shown_as_they_are(name: str) -> None:
    text = shown(TABLES[name], None)
    for each in NAMES:
        if name in ("uses", "summary", "plan", "points", "facts", "placement"):
            assert each in text


@pytest.mark.parametrize("name", TABLES)
def test_no_two_columns_have_the_same_heading(name: str) -> None:
    """Where each cell has a line of its own nothing else tells them apart."""
    headings = [column.heading for column in TABLES[name].columns if column.heading]
    assert len(set(headings)) == len(headings)


CELLS = st.text(st.characters(exclude_categories=("C", "Zl", "Zp", "Mn", "Me")), max_size=64)


@settings(max_examples=50)
@given(
    rows=st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=4),
    headings=st.tuples(CELLS, CELLS, CELLS),
    title=CELLS,
    width=st.sampled_from(WIDTHS),
)
def test_whatever_stands_in_it(
    rows: list[tuple[str, str, str]], headings: tuple[str, str, str], title: str, width: int | None
) -> None:
    table = Table((Column(headings[0], footer=title), *right(headings[1]), Column(headings[2], prose=True)), title)
    for row in rows:
        table.add_row(*row)
    text = shown(table, width)
    held = {title, *(cell for row in rows for cell in row)}
    if width is None or "─" not in text:
        assert all(each.strip() in text for each in held)  # spaces of any kind at its ends are nothing to read
        return
    # Wrapped in its columns: no letter is lost.
    letters = Counter(text)
    for letter, count in Counter("".join(cell for row in rows for cell in row)).items():
        assert letter.isspace() or letters[letter] >= count


def test_long_texts_are_wrapped_and_numbers_are_not() -> None:
    table = Table((Column("name"), *right("the number of things"), Column("why", prose=True)))
    table.add_row("a", "123456789", "because " * 12 + "nobody has measured it")
    assert len(shown(table, None).splitlines()) == 5
    lines = shown(table, 60).splitlines()
    assert max(map(len, lines)) == 60
    assert sum("because" in line for line in lines) > 1
    assert sum("123456789" in line for line in lines) == 1
    assert "  the number of things: 123456789" in shown(table, 30).splitlines()


def test_sections_stand_apart() -> None:
    table = Table((Column(""), Column("")))
    table.add_row("a", "1")
    table.add_section()
    table.add_row("b", "2")
    assert [line.split() for line in shown(table, None).splitlines()] == [[], ["a", "1"], [], ["b", "2"], []]


def test_a_row_needs_a_cell_for_each_column() -> None:
    with pytest.raises(ValueError, match="a row of 1 cells in a table of 2 columns"):
        Table(right("a", "b")).add_row("1")


def test_what_is_told_while_one_waits_is_plain_text() -> None:
    file = io.StringIO()
    console = plain_console(file=file, force_terminal=True, width=100, color_system=None)
    with busy(console, "synthesising for [/x] :smile:"):
        pass
    from rich.progress import TimeElapsedColumn

    with counting_bar(console, TimeElapsedColumn()) as bar:
        bar.add_task("on [/x] :smile:", total=3)
    console.print("wrote [/x] :smile: {x}")
    text = file.getvalue()
    assert text.count(":smile:") >= 3
    assert text.count("[/x]") >= 3
