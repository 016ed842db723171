"""Tables for a reader: all text is shown as it is, and nothing that a table holds is lost, however narrow it is read.

rich takes square brackets and :words: for markup, and drops columns that do not fit. A name of a user's layer may hold
anything printable, so all text here is plain. A file or a pipe gets each row on one line, as wide as it must be. A
terminal that is too narrow gets its long texts and headings wrapped, and where this is not enough each row as lines of
their own, one a cell.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn
from rich.status import Status
from rich.table import Table as RichTable
from rich.text import Text

LEAST_PROSE = 20
"""Columns of a terminal that a long text needs at least to be wrapped in."""
FRAME = 3
"""Columns between the texts of two cells, and around the table."""


def plain_console(**options: Any) -> Console:
    """A console that shows text as it is, without markup, colours of its own or line breaks."""
    return Console(highlight=False, soft_wrap=True, markup=False, emoji=False, **options)


def busy(console: Console, text: str) -> Status:
    """A sign that something is being done, with `text` as it is."""
    return console.status(Text(text))


def counting_bar(console: Console, clock: ProgressColumn) -> Progress:
    """A bar with the task's description, how much of how much, and `clock`; only on a terminal, and gone at the end."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), clock)
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


@dataclass(frozen=True)
class Column:
    """A column: `right` justifies it for numbers, `prose` may be wrapped at spaces, `footer` is below all rows."""

    heading: str
    right: bool = False
    prose: bool = False
    footer: str = ""


def right(*headings: str) -> tuple[Column, ...]:
    """Columns of numbers."""
    return tuple(Column(heading, right=True) for heading in headings)


class Table:
    """Rows of plain text under headings (none where all headings are empty), with a title and a caption.

    Each row has a cell for each column.
    """

    def __init__(self, columns: Sequence[Column], title: str = "", caption: str = "") -> None:
        self.columns, self.title, self.caption = tuple(columns), title, caption
        self.sections: list[list[tuple[str, ...]]] = [[]]

    def add_row(self, *cells: str) -> None:
        if len(cells) != len(self.columns):
            raise ValueError(f"a row of {len(cells)} cells in a table of {len(self.columns)} columns")
        self.sections[-1].append(cells)

    def add_section(self) -> None:
        """The rows that follow stand apart from those above."""
        self.sections.append([])

    @property
    def rows(self) -> tuple[tuple[str, ...], ...]:
        return tuple(row for section in self.sections for row in section)

    @property
    def texts(self) -> tuple[str, ...]:
        """All that a reader must find."""
        around = (self.title, self.caption, *(text for each in self.columns for text in (each.heading, each.footer)))
        return tuple(filter(None, (*around, *(cell for row in self.rows for cell in row))))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        if self.title:
            yield Text(self.title, style="bold")
        widths = self._widths(options.max_width) if options.is_terminal else self._natural
        if widths is None:
            yield from self._stacked()
        else:
            table = self._table(widths)
            table.width = sum(widths) + FRAME * len(widths) + 1  # whatever the width of the console
            yield table
        if self.caption:
            yield Text(self.caption, style="dim")

    @property
    def _natural(self) -> list[int]:
        """The width of each column if nothing is wrapped."""
        return [max(map(cell_len, (column.heading, *cells))) for column, cells in self._by_column()]

    def _by_column(self) -> Iterator[tuple[Column, tuple[str, ...]]]:
        for index, column in enumerate(self.columns):
            yield column, (column.footer, *(row[index] for row in self.rows))

    def _widths(self, width: int) -> list[int] | None:
        """The width of each column on a terminal of `width` columns; None where not even wrapped texts fit."""
        room, natural = width - FRAME * len(self.columns) - 1, self._natural
        if sum(natural) <= room:
            return natural
        least = [
            max(_longest_word(column.heading), *map(cell_len, cells)) if not column.prose else 0
            for column, cells in self._by_column()
        ]
        prose = [index for index, column in enumerate(self.columns) if column.prose]
        left = room - sum(least)
        for count, index in zip(range(len(prose), 0, -1), prose, strict=True):
            least[index] = min(natural[index], left // count)
            if least[index] < min(LEAST_PROSE, natural[index]):
                return None
            left -= least[index]
        return least if left >= 0 else None

    def _table(self, widths: Iterable[int]) -> RichTable:
        headed = any(column.heading for column in self.columns)
        footed = any(column.footer for column in self.columns)
        table = RichTable(box=box.SIMPLE_HEAD, show_header=headed, show_footer=footed)
        for column, width in zip(self.columns, widths, strict=True):
            heading, footer = (Text(text, overflow="fold", no_wrap=False) for text in (column.heading, column.footer))
            table.add_column(heading, footer, justify="right" if column.right else "left", width=width)
        for section in self.sections:
            for row in section:
                table.add_row(*(Text(cell, overflow="fold", no_wrap=False) for cell in row))
            table.add_section()
        return table

    def _stacked(self) -> Iterator[RenderableType]:
        """A line for each cell that holds something, below that of the row's first cell."""
        headings = [column.heading for column in self.columns]
        footers = tuple(column.footer for column in self.columns)
        yield Text("")
        for row in (*self.rows, *([footers] if any(footers) else [])):
            yield Text(f"{headings[0]}: {row[0]}" if headings[0] else row[0])
            for heading, cell in zip(headings[1:], row[1:], strict=True):
                if cell:
                    yield Text(f"  {heading}: {cell}" if heading else f"  {cell}")
        yield Text("")


def _longest_word(text: str) -> int:
    return max(map(cell_len, text.split()), default=0)
