"""Draws docs/array.svg: one 2T2R array with its precharge sense amplifiers, popcount and threshold.

`python docs/draw_array.py [FILE]`; the same matplotlib gives the same bytes.
"""

import sys
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.patches import Circle, Rectangle
from sketch import ANALOG, INK, LOGIC, LRS, PAPER, QUIET, SELECTED, area, arrow, box, line, patch, subscript, svg, text

# What is shown of 32 × 32 cells: index, centre, and the weight of each cell.
ROWS = {0: 9.15, 1: 7.35, 31: 4.75}
COLUMNS = {0: 4.55, 1: 7.2, 2: 9.85, 31: 13.55}
LEFT_OUT = (11.1, 12.3)
WEIGHTS = {0: (1, -1, -1, 1), 1: (-1, 1, 1, -1), 31: (1, 1, -1, -1)}
READ_ROW = 1
WORD_LINE, BIT_LINE = 0.58, 0.92  # distances of a cell's lines from its centre


def across(axes: Axes, left: float, right: float, y: float, color: str, width: float = 1.0) -> None:
    """A line through all columns, dotted where columns are left out."""
    before, after = LEFT_OUT
    line(axes, [(left, y), (before, y)], color, width)
    line(axes, [(before, y), (after, y)], color, dots=True)
    line(axes, [(after, y), (right, y)], color, width)


def transistor(axes: Axes, x: float, y: float, scale: float, gate_to: float, color: str) -> None:
    """A MOSFET with its channel along x from x - 0.2 to x + 0.2, and its gate lead up to the height `gate_to`."""
    half, step, channel, gate = 0.2 * scale, 0.11 * scale, y + 0.13 * scale, y + 0.2 * scale
    line(axes, [(x - half, y), (x - step, y), (x - step, channel), (x + step, channel), (x + step, y), (x + half, y)])
    line(axes, [(x - step, gate), (x + step, gate)], color)
    line(axes, [(x, gate), (x, gate_to)], color)


def device(axes: Axes, x: float, y: float, scale: float, low: bool) -> None:
    """One RRAM element: full for LRS, empty for HRS."""
    width, height = 0.3 * scale, 0.22 * scale
    fill = LRS if low else PAPER
    corner = (x - width / 2, y - height / 2)
    axes.add_patch(Rectangle(corner, width, height, facecolor=fill, edgecolor=LRS, linewidth=1.2, zorder=3))


def cell(axes: Axes, x: float, y: float, weight: int, color: str, scale: float = 1.0) -> None:
    """Two devices and two transistors between BL, SL and BLb, all gates on WL."""
    for side in (-1, 1):
        bit_line, word_line = x + side * BIT_LINE * scale, y + WORD_LINE * scale
        middle = x + side * 0.62 * scale
        line(axes, [(bit_line, y), (middle, y)])
        line(axes, [(middle, y), (x + side * 0.42 * scale, y)])
        device(axes, middle, y, scale, low=(weight == -side))
        transistor(axes, x + side * 0.24 * scale, y, scale, word_line, color)
        line(axes, [(x + side * 0.04 * scale, y), (x, y)])
        for point in ((bit_line, y), (x + side * 0.24 * scale, word_line)):
            axes.add_patch(Circle(point, 0.045 * scale**0.5, color=INK if point[1] == y else color, zorder=4))
    axes.add_patch(Circle((x, y), 0.045 * scale**0.5, color=INK, zorder=4))


def draw_array(axes: Axes) -> None:
    left, right = min(COLUMNS.values()) - 1.25, max(COLUMNS.values()) + 1.25
    bottom, top = min(ROWS.values()) - 0.75, max(ROWS.values()) + 0.95
    area(axes, left, bottom, right, top)

    # Level shifters of the bit and source lines, and the lines themselves.
    box(axes, left, top + 0.55, right, top + 1.25, ANALOG)
    text(axes, (left + right) / 2, top + 0.9, "level shifters of bit lines and source lines: form, set, reset")
    for column, x in COLUMNS.items():
        for offset, name in ((-BIT_LINE, "BL"), (0.0, "SL"), (BIT_LINE, "BLb")):
            end = min(ROWS.values()) if name == "SL" else 3.72
            line(axes, [(x + offset, top + 0.55), (x + offset, 6.55)], QUIET)
            line(axes, [(x + offset, 6.55), (x + offset, 5.75)], QUIET, dots=True)
            line(axes, [(x + offset, 5.75), (x + offset, end)], QUIET)
            text(axes, x + offset, top + 0.28, subscript(name, column), 8, bbox=patch(PAPER))

    # Word lines behind their decoder.
    box(axes, 0.2, bottom, 1.0, top, LOGIC)
    text(axes, 0.6, (bottom + top) / 2, "row decoder", rotation=90)
    for row, y in ROWS.items():
        color = SELECTED if row == READ_ROW else QUIET
        word_line = y + WORD_LINE
        box(axes, 1.4, word_line - 0.32, 2.5, word_line + 0.32, ANALOG)
        text(axes, 1.95, word_line, "level\nshifter", 8, linespacing=1.1)
        line(axes, [(1.0, word_line), (1.4, word_line)], color)
        across(axes, 2.5, max(COLUMNS.values()) + 0.24, word_line, color, 1.6 if row == READ_ROW else 1.0)
        text(axes, 2.9, word_line + 0.2, subscript("WL", row), 9, SELECTED if row == READ_ROW else INK)
        for x, weight in zip(COLUMNS.values(), WEIGHTS[row], strict=True):
            cell(axes, x, y, weight, color)
            text(axes, x + 0.1, y - 0.32, "+1" if weight > 0 else "−1", 8.5, LRS, ha="left")
    text(axes, 1.95, 6.15, "⋮", 14, QUIET)
    text(axes, 11.7, 7.35, "⋯", 14, QUIET)


def draw_sense(axes: Axes) -> None:
    """The amplifiers, what they are given, and what they answer."""
    across(axes, 1.4, max(COLUMNS.values()), 2.7, QUIET)
    text(axes, 1.25, 2.7, "SEN", ha="right")
    text(axes, 1.25, 3.35, "inputs", ha="right")
    for column, x in COLUMNS.items():
        box(axes, x - 1.0, 2.38, x + 1.0, 3.72, LOGIC)
        line(axes, [(x - 1.0, 3.05), (x + 1.0, 3.05)])
        axes.lines[-1].set_zorder(4)
        text(axes, x, 3.38, "XNOR")
        text(axes, x, 2.71, "PCSA", weight="bold")
        arrow(axes, (x - 1.3, 3.38), (x - 1.0, 3.38))
        text(axes, x - 1.33, 3.4, subscript("x", column), ha="right")
        arrow(axes, (x, 2.38), (x, 1.5))
        text(axes, x + 0.12, 1.95, subscript("q", column), ha="left")
    text(axes, 11.7, 1.95, "⋯", 14, QUIET)


def draw_neuron(axes: Axes) -> None:
    left, right = min(COLUMNS.values()) - 1.0, max(COLUMNS.values()) + 1.0
    box(axes, left, 0.7, right, 1.5, LOGIC)
    text(axes, (left + right) / 2, 1.1, "popcount: how many of q₀ … q₃₁ are 1")
    arrow(axes, (right, 1.1), (15.6, 1.1))
    box(axes, 15.6, 0.55, 18.6, 1.65, LOGIC)
    text(axes, 17.1, 1.1, "popcount\n≥ threshold", linespacing=1.25)
    arrow(axes, (17.1, 2.5), (17.1, 1.65))
    text(axes, 17.1, 2.72, "threshold of neuron 1")
    arrow(axes, (18.6, 1.1), (19.4, 1.1))
    text(axes, 19.5, 1.1, "output of\nneuron 1", ha="left", linespacing=1.25)


def draw_legend(axes: Axes) -> None:
    """One cell in large, and what its states mean."""
    x, y, scale = 18.1, 8.0, 2.0
    text(axes, x, 10.75, "one cell: one synapse", 10.5, weight="bold")
    top, bottom = y + 1.75, y - 0.8
    for offset, name in ((-BIT_LINE, "BL"), (0.0, "SL"), (BIT_LINE, "BLb")):
        line(axes, [(x + offset * scale, top), (x + offset * scale, bottom)], QUIET)
        text(axes, x + offset * scale, top + 0.22, name)
    word_line = y + WORD_LINE * scale
    line(axes, [(x - 2.3, word_line), (x + 2.3, word_line)], SELECTED, 1.6)
    text(axes, x - 2.4, word_line, "WL", color=SELECTED, ha="right")
    cell(axes, x, y, 1, SELECTED, scale)
    text(axes, x - 1.24, y - 0.45, "LRS", color=LRS)
    text(axes, x + 1.24, y - 0.45, "HRS", color=LRS)

    for row, (weight, states) in enumerate((("weight +1", (True, False)), ("weight −1", (False, True)))):
        height = 6.35 - 0.5 * row
        text(axes, 16.1, height, weight, ha="left")
        for place, low in zip((18.3, 19.4), states, strict=True):
            device(axes, place, height, 1.0, low)
            text(axes, place + 0.25, height, "LRS" if low else "HRS", 8.5, ha="left")
    rules = (
        "SEN low: both outputs precharged",
        "SEN high: the branch of lower resistance wins",
        "q = XNOR(x, w): one read, one neuron",
    )
    for row, rule in enumerate(rules):
        text(axes, 16.1, 5.2 - 0.45 * row, rule, 8.5, ha="left")


def picture() -> bytes:
    """The SVG file's bytes."""
    return svg("One 2T2R array", (21.7, 11.8), 0.58, (-0.2, 0.1), (draw_array, draw_sense, draw_neuron, draw_legend))


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("array.svg")
    target.write_bytes(picture())
