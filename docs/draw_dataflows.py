"""Draws docs/dataflows.svg: the two dataflows, with two lanes each, and the zig-zag.

`python docs/draw_dataflows.py [FILE]`; the same matplotlib gives the same bytes.
"""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.patches import Circle, Polygon, Rectangle
from sketch import EDGE, INK, LOGIC, LRS, PAPER, QUIET, SELECTED, area, arrow, box, line, patch, subscript, svg, text

INPUT = "#6741d9"  # X lines

COLUMNS = range(6)
WEIGHTS = ("101101", "010011", "110100", "001110", "011001", "100101", "111010", "010110")
PITCH = 0.55  # of cells, and of the bits of a word
BUS, SENSE, DEPTH = 0.2, 0.62, 0.86  # below the cells: an X that all columns share, the amplifiers' middle and end
LANES = 2
STEP, ZIGZAG_STEP = 1, 2  # what is read


@dataclass(frozen=True)
class Lane:
    """The arrays of a lane, drawn as one, and their sense amplifiers; `rows` is what each row holds."""

    left: float
    top: float
    rows: Sequence[str]
    weights: Sequence[str]

    def x(self, column: float) -> float:
        return self.left + PITCH * (column + 0.5)

    def y(self, row: float) -> float:
        return self.top - PITCH * (row + 0.5)

    @property
    def right(self) -> float:
        return self.x(len(COLUMNS) - 0.5)

    @property
    def bottom(self) -> float:
        return self.y(len(self.rows) - 0.5)

    def draw(self, axes: Axes, read: int) -> None:
        area(axes, self.left - 0.14, self.bottom, self.right + 0.14, self.top)
        for row, (what, weights) in enumerate(zip(self.rows, self.weights, strict=True)):
            y, color = self.y(row), SELECTED if row == read else QUIET
            line(axes, [(self.left - 0.2, y), (self.right - 0.1, y)], color, 2.2 if row == read else 1.0)
            name = f"{subscript('WL', row)}: {what}"
            text(axes, self.left - 0.3, y, name, color=SELECTED if row == read else INK, ha="right")
            for column, weight in zip(COLUMNS, weights, strict=True):
                corner, fill = (self.x(column) - 0.14, y - 0.14), LRS if weight == "1" else PAPER
                axes.add_patch(Rectangle(corner, 0.28, 0.28, facecolor=fill, edgecolor=LRS, linewidth=1.2, zorder=3))
        for column in COLUMNS:
            x, y = self.x(column), self.bottom
            line(axes, [(x, y), (x, y - SENSE)], QUIET)
            box(axes, x - 0.19, y - DEPTH, x + 0.19, y - SENSE + 0.24, LOGIC)


def dot(axes: Axes, x: float, y: float) -> None:
    axes.add_patch(Circle((x, y), 0.05, color=INPUT, zorder=4))


def word(axes: Axes, first: float, y: float, bits: Iterable[str], now: str = "") -> float:
    """Bits in boxes, the first one's middle at `first`, the one of this read marked; returns where they end."""
    x = first
    for place, bit in enumerate(bits):
        x, color = first + PITCH * place, SELECTED if bit == now else INK
        box(axes, x - 0.22, y - 0.2, x + 0.22, y + 0.2, PAPER, edge=color)
        text(axes, x, y, bit, color=color)
    return x + 0.22


def names(letter: str, indices: Iterable[int]) -> list[str]:
    return [subscript(letter, index) for index in indices]


def parallel_inputs(axes: Axes, lanes: Sequence[Lane]) -> None:
    """A word of all inputs, above lanes that all see it as long as the image lasts."""
    top, bottom = lanes[0].top + 0.75, lanes[-1].bottom - SENSE
    text(axes, lanes[0].left - 0.35, top, "X: all inputs", color=INPUT, ha="right")
    word(axes, lanes[0].left, top, names("x", COLUMNS))
    for column in COLUMNS:
        x = lanes[0].x(column - 0.5)
        line(axes, [(x, top - 0.2), (x, bottom)], INPUT)
        for lane in lanes:
            y = lane.bottom - SENSE
            line(axes, [(x, y), (lane.x(column) - 0.19, y)], INPUT)
            dot(axes, x, y)


def neuron(axes: Axes, lane: Lane, which: str) -> tuple[float, float]:
    """All outputs of a read go into one count; returns where the neuron's bit comes out."""
    start, end, spread = lane.right + 0.3, lane.right + 1.8, 0.1
    amplifiers = lane.bottom - DEPTH
    for column in COLUMNS:
        y = amplifiers - spread * (len(COLUMNS) - column)
        line(axes, [(lane.x(column), amplifiers), (lane.x(column), y), (start, y)])
    text(axes, lane.right + 0.1, amplifiers + 0.1, "Q")
    middle = amplifiers - spread * (len(COLUMNS) + 1) / 2
    corners = [(start, middle - 0.5), (start, middle + 0.5), (end, middle + 0.3), (end, middle - 0.3)]
    axes.add_patch(Polygon(corners, facecolor=LOGIC, edgecolor=INK, linewidth=1.0, joinstyle="round", zorder=3))
    text(axes, (start + end) / 2, middle, "popcount")
    left, right, height = start + 0.6, start + 2.55, lane.y((len(lane.rows) - 1) / 2)
    line(axes, [(end, middle), (end + 0.3, middle)])
    arrow(axes, (end + 0.3, middle), (end + 0.3, height - 0.42))
    box(axes, left, height - 0.42, right, height + 0.42, LOGIC)
    text(axes, (left + right) / 2, height, f"≥ threshold\nof {which}", linespacing=1.25)
    return right, height


def shared_input(axes: Axes, lane: Lane, start: float) -> None:
    """One input for all columns of the lane."""
    y = lane.bottom - BUS
    line(axes, [(start, y), (lane.x(len(COLUMNS) - 1), y)], INPUT)
    text(axes, lane.left - 0.4, y, "X", color=INPUT, bbox=patch(PAPER))
    for column in COLUMNS:
        x = lane.x(column)
        line(axes, [(x, y), (x, lane.bottom - SENSE + 0.24)], INPUT)
        dot(axes, x, y)


def neurons(axes: Axes, lanes: Sequence[Lane], letter: str) -> None:
    """A neuron a column: it adds up what the lanes say, and compares when all inputs have been read."""
    *above, last = lanes
    amplifiers, aside = last.bottom - DEPTH, 0.1 * len(above)
    top = amplifiers - 0.42
    for lane in lanes:
        text(axes, lane.x(0) - 0.15 - aside * (lane is last), lane.bottom - DEPTH - 0.2, "Q", ha="right")
    for column in COLUMNS:
        x, beside = last.x(column), last.x(column + 0.5)
        for lane in above:
            y, turn = lane.bottom - DEPTH - 0.14, amplifiers - 0.14
            line(axes, [(x, y + 0.14), (x, y), (beside, y), (beside, turn), (x + aside, turn)])
            arrow(axes, (x + aside, turn), (x + aside, top))
        arrow(axes, (x - aside, amplifiers), (x - aside, top))
        for level, sign in enumerate("Σ≥"):
            y = top - 0.21 - 0.75 * level
            box(axes, x - 0.22, y - 0.21, x + 0.22, y + 0.21, LOGIC)
            text(axes, x, y, sign)
            arrow(axes, (x, y - 0.21), (x, y - 0.55))
    word(axes, last.x(0), top - 1.71, names(letter, COLUMNS))
    notes = ("an accumulator a neuron", "all thresholds at once,\nafter the last read", "one word leaves")
    for level, note in enumerate(notes):
        text(axes, last.right + 0.3, top - 0.21 - 0.75 * level, note, ha="left", linespacing=1.2)


def headline(axes: Axes, left: float, y: float, name: str, rule: str) -> None:
    text(axes, left, y, name, 11, weight="bold", ha="left")
    text(axes, left, y - 0.45, rule, ha="left")


def lanes_of(axes: Axes, left: float, top: float, what: str) -> list[Lane]:
    """Two lanes of three rows: row k of the matrix is in lane k mod 2."""
    lanes = []
    for index in range(LANES):
        rows = [f"{what} {k}" for k in range(index, len(COLUMNS), LANES)]
        lane = Lane(left, top - 3.7 * index, rows, WEIGHTS[index : len(COLUMNS) : LANES])
        lane.draw(axes, STEP)
        text(axes, lane.right + 0.3, lane.top - 0.05, f"lane {index}", weight="bold", ha="left")
        lanes.append(lane)
    return lanes


def draw_parallel_to_sequential(axes: Axes) -> None:
    rule = "a row is a neuron: a read presents all inputs to it"
    headline(axes, 0.2, 14.95, "parallel_to_sequential (P2S)", rule)
    lanes = lanes_of(axes, 2.6, 12.8, "neuron")
    parallel_inputs(axes, lanes)
    for index, lane in enumerate(lanes):
        text(axes, lane.left - 0.3, lane.bottom - SENSE, "XNOR, PCSA", ha="right")
        now = STEP * LANES + index
        right, y = neuron(axes, lane, f"neuron {now}")
        arrow(axes, (right, y), (right + 0.4, y))
        bits = names("y", range(now, -1, -LANES))
        end = word(axes, right + 0.62, y, bits, bits[0])
        arrow(axes, (end, y), (end + 0.4, y))


def draw_sequential_to_parallel(axes: Axes) -> None:
    rule = "a row is an input: a read presents it to all neurons"
    headline(axes, 11.1, 14.95, "sequential_to_parallel (S2P)", rule)
    lanes = lanes_of(axes, 13.4, 13.8, "input")
    for index, lane in enumerate(lanes):
        now = STEP * LANES + index
        bits = names("x", range(now + LANES, now - 1, -LANES))
        shared_input(axes, lane, word(axes, 11.6, lane.bottom - BUS, bits, bits[-1]))
        text(axes, lane.right + 0.3, lane.bottom - SENSE, "XNOR, PCSA", ha="left")
    neurons(axes, lanes, "y")


def draw_zigzag(axes: Axes) -> None:
    line(axes, [(0.2, 4.9), (20.8, 4.9)], EDGE)
    rule = "neuron s is input s as soon as it is known: one pass, no buffer between"
    headline(axes, 0.2, 4.4, "zig-zag: P2S before S2P, in one lane", rule)
    steps = range(4)
    first = Lane(2.6, 2.2, [f"neuron {s}" for s in steps], WEIGHTS[:4])
    first.draw(axes, ZIGZAG_STEP)
    parallel_inputs(axes, [first])
    text(axes, first.left - 0.3, first.bottom - SENSE, "XNOR, PCSA", ha="right")
    right, y = neuron(axes, first, f"neuron {ZIGZAG_STEP}")
    arrow(axes, (right, y), (right + 0.4, y))
    bits = names("y", [ZIGZAG_STEP])
    second = Lane(13.4, y + BUS + PITCH * len(steps), [f"input {s}" for s in steps], WEIGHTS[4:])
    second.draw(axes, ZIGZAG_STEP)
    shared_input(axes, second, word(axes, right + 0.62, y, bits, *bits))
    text(axes, second.right + 0.3, second.bottom - SENSE, "XNOR, PCSA", ha="left")
    neurons(axes, [second], "z")
    for level, name in enumerate(("P2S", "S2P")):
        y = second.y(1 + 1.2 * level)
        text(axes, second.right + 0.3, y, name, ha="left")
        word(axes, second.right + 1.3 + 0.35 * level, y, map(str, steps), str(ZIGZAG_STEP))
    text(axes, second.right + 0.3, second.y(0) + 0.1, "rows read, over time", weight="bold", ha="left")


def draw_legend(axes: Axes) -> None:
    for row, (fill, meaning) in enumerate(((LRS, "weight +1"), (PAPER, "weight −1"), (None, "selected row"))):
        y = 13.66 - 0.5 * row
        if fill:
            axes.add_patch(Rectangle((18.5, y - 0.14), 0.28, 0.28, facecolor=fill, edgecolor=LRS, linewidth=1.2))
        else:
            line(axes, [(18.4, y), (18.88, y)], SELECTED, 2.2)
        text(axes, 19.05, y, meaning, ha="left")


def picture() -> bytes:
    """The SVG file's bytes."""
    parts = (draw_parallel_to_sequential, draw_sequential_to_parallel, draw_zigzag, draw_legend)
    return svg("The two dataflows and the zig-zag", (21.0, 17.45), 0.5, (0.0, -2.05), parts)


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("dataflows.svg")
    target.write_bytes(picture())
