"""Every picture of the product: nothing is cut, no two texts meet, names are shown as they are, in the same bytes."""

import functools
import hashlib
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from ugly import NAMES, account, outcome

from model.campaign import plot as faults
from model.campaign.points import label_of
from model.energy import plot as energy
from model.pictures import LABEL, STYLE, coded, label

EDGE = 0.5
"""Dots by which rounding may put something over an edge."""


def spread(count: int, mean: float = 0.93, deviation: float = 0.004) -> list[tuple[float, ...]]:
    """Accuracies of ten maps at each of so many points."""
    found = np.random.default_rng(count).normal(mean, deviation, (count, 10)).clip(0, 1)
    return [tuple(map(float, each)) for each in found]


def conditions(labels: Sequence[str], accuracies: Sequence[Sequence[float]], clean: float = 0.95) -> Any:
    rates = [10.0**-index for index in range(len(labels))]
    return outcome(dict(zip(labels, accuracies, strict=True)), rates=rates, clean=clean)


def curve(values: Sequence[float], accuracies: Sequence[Sequence[float]], **options: Any) -> Any:
    return outcome(dict(zip(map(label_of, values), accuracies, strict=True)), values=values, **options)


def long_labels(count: int) -> list[str]:
    return [f"weak set, cycles=1e{index}, supply_V=0.6, age_h=10, pulse_ns={index}" for index in range(count)]


CAMPAIGNS = {
    **{f"{count} conditions": conditions(long_labels(count), spread(count)) for count in (1, 2, 20)},
    "ugly names": conditions(NAMES, spread(len(NAMES), 0.5, 0.2)),
    "all right": conditions(("a", "b"), [(1.0, 1.0)] * 2, 1.0),
    "all wrong": conditions(("a", "b"), [(0.0, 0.0)] * 2, 0.0),
    "from 0 to 1": conditions(("a", "b", "c"), [(0.0, 0.0), (1.0, 1.0), (0.0, 1.0)], 1.0),
    "one map": conditions(("a",), [(0.9375,)], 0.935),
    "1 rate": curve([0.1], spread(1), facts=False),
    "20 rates": curve([10.0 ** (0.3 * i - 6) for i in range(20)], spread(20), facts=False),
    "rates of a decade": curve([0.01 * 1.1**index for index in range(20)], spread(20), facts=False),
    "rate 0": curve([0.0], [(1.0,)], facts=False, clean=1.0),
    "tiny rates": curve([1e-300, 1e-200, 1e-9], spread(3), facts=False),
    "8 of a sweep": curve([1.2 + 0.05 * i for i in range(8)], spread(8), axis="RESET voltage (V)"),
    "a sweep of large values": curve([1e6, 2e6, 3e6], spread(3), axis="pulse length (ns)", rates=[1e-300, 1e-9, 0.5]),
    "a sweep without errors": curve([1.0, 2.0], spread(2), axis="cycles", rates=[0, 0]),
}
ACCOUNTS = {
    **{f"{n} layers": account({f"hidden{i}": 7 * 10 ** (i % 9) for i in range(n)}) for n in (1, 2, 20)},
    "layers with ugly names": account(dict.fromkeys(NAMES, 10**6)),
    "little": account({"a": 3, "b": 2}, counted=False, topology="-".join(["1024"] * 30)),
    "much": account({"a": 3e17, "b": 2e3}),
}
Make = Callable[[], Figure]
FIGURES: Mapping[str, Make] = {
    **{name: partial(faults.figure_of, each, str) for name, each in CAMPAIGNS.items()},
    **{name: partial(energy.figure_of, each, coded) for name, each in ACCOUNTS.items()},
}


DRAWN: Mapping[str, Callable[[], dict[str, bytes]]] = {
    "faults": lambda: faults.draw(CAMPAIGNS["ugly names"]),
    "energy": lambda: energy.draw(ACCOUNTS["layers with ugly names"]),
}


@functools.cache
def files_of(name: str) -> dict[str, bytes]:
    return DRAWN[name]()


def drawn(make: Make) -> Figure:
    with mpl.rc_context(STYLE), warnings.catch_warnings():  # type: ignore[arg-type]
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure = make()
        figure.draw_without_rendering()
    return figure


def boxes(texts: Sequence[Text]) -> dict[str, Bbox]:
    """Where texts are, in dots, by what they say and their number."""
    seen = [text for text in texts if text.get_visible() and text.get_text()]
    return {f"{number}: {text.get_text()}": text.get_window_extent() for number, text in enumerate(seen)}


def inside(inner: Bbox, outer: Bbox) -> bool:
    return bool(
        inner.x0 >= outer.x0 - EDGE
        and inner.y0 >= outer.y0 - EDGE
        and inner.x1 <= outer.x1 + EDGE
        and inner.y1 <= outer.y1 + EDGE
    )


def ticks(axis: Any) -> list[Text]:
    """The labels of an axis that are drawn: those of ticks within its limits."""
    low, high = sorted(axis.get_view_interval())
    found = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
    return [each.label1 for each in found if low <= each.get_loc() <= high and each.label1.get_visible()]


def check(figure: Figure) -> None:
    """Tick labels do not meet, all texts lie in the figure, and all bars, lines and marks in their axes."""
    outside = Bbox([[0, 0], list(figure.get_size_inches() * figure.dpi)])
    texts: list[Text] = []
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            labels = boxes(ticks(axis))
            for (one, here), (other, there) in combinations(labels.items(), 2):
                assert not here.overlaps(there), f"{one!r} runs into {other!r}"
            texts += [*ticks(axis), axis.label, axis.get_offset_text()]
        bars = boxes(axes.texts)
        for name, box in bars.items():
            assert inside(box, axes.get_window_extent()), f"the number {name} is not in the axes"
        texts += axes.texts
        frame = axes.get_window_extent()
        for artist in (*axes.lines, *axes.collections, *axes.patches):
            box = artist.get_window_extent()
            if np.isfinite(box.extents).all() and box.width + box.height > 0:
                assert inside(box, frame), f"{artist} is cut by the frame: {box} of {frame}"
    for legend in figure.legends:
        assert inside(legend.get_window_extent(), outside)
        texts += legend.get_texts()
    assert figure.get_suptitle()
    texts.append(figure._suptitle)  # type: ignore[attr-defined]
    for name, box in boxes(texts).items():
        assert inside(box, outside), f"{name!r} is not in the picture"


@pytest.mark.parametrize("name", FIGURES)
def test_nothing_is_cut_and_no_two_numbers_meet(name: str) -> None:
    check(drawn(FIGURES[name]))


def test_a_picture_with_a_fault_is_found() -> None:
    figure = drawn(FIGURES["2 conditions"])
    axes = figure.axes[0]
    low, high = axes.get_xlim()
    axes.set_xticks(np.linspace(low, high, 20), [f"{each:.4%}" for each in np.linspace(low, high, 20)])
    with pytest.raises(AssertionError, match="runs into"):
        check(figure)
    axes.set_xticks([])
    axes.set_xlim(low, (low + high) / 2)
    with pytest.raises(AssertionError, match="is cut by the frame"):
        check(figure)
    axes.set_xlim(low, high)
    axes.set_xlabel("W" * 200)
    with pytest.raises(AssertionError, match="is not in the picture"):
        check(figure)


def labels_of(figure: Figure) -> list[str]:
    return [text.get_text().replace("\n", "") for text in figure.axes[0].get_yticklabels()]


def test_names_are_shown_as_they_are_and_stay_distinct() -> None:
    """Neither formulas nor cut: only spaces where lines break are gone."""
    spent = ACCOUNTS["layers with ugly names"]
    for figure in (drawn(FIGURES["ugly names"]), drawn(partial(energy.figure_of, spent, str))):
        found = [text.replace(" ", "") for text in labels_of(figure)]
        assert len(set(found)) == len(NAMES)
        for name, text in zip(NAMES, found, strict=True):
            assert text.startswith(name.replace(" ", ""))
    for files in map(files_of, DRAWN):
        text = files["svg"].decode()
        for name in ("conv[/relu]", "$x_1^2$", ":smile: a_b*c*", "Ünïcode 层 µm²", "_hidden"):
            assert f">{name}</tspan>" in text or f">{name}</text>" in text


def test_what_our_font_does_not_have_has_a_code_where_no_other_font_can_help() -> None:
    assert coded("Ünïcode 层 µm²\n😀 $x$") == "Ünïcode \\u5c42 µm²\n😀 $x$"
    assert "\\u5c42" in "".join(labels_of(drawn(FIGURES["layers with ugly names"])))


@settings(max_examples=40)
@given(
    names=st.lists(
        st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=64), min_size=1, max_size=3
    )
)
def test_whatever_a_layer_is_called(names: list[str]) -> None:
    """All of it is in the label, in the right order, in characters that our font has."""
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        figure = Figure()
        axes = figure.add_subplot()
        axes.set_yticks(range(len(names)), [label(coded(name)) for name in names])
        figure.draw_without_rendering()
        shown = [text.get_text() for text in axes.get_yticklabels()]
    for name, text in zip(names, shown, strict=True):
        assert max(map(len, text.splitlines())) <= LABEL
        assert text.replace("\n", "") == coded(name)


def test_two_values_of_a_sweep_have_two_labels() -> None:
    values = (1.0, 1.0000001, 1e-7, 1.00000001e-7, 1e300)
    labels = [label_of(value) for value in values]
    assert labels == ["1", "1.0000001", "1e-07", "1.00000001e-07", "1e+300"]
    assert list(map(float, labels)) == list(values)


def digests(name: str) -> list[str]:
    return [hashlib.sha256(data).hexdigest() for data in files_of(name).values()]


@pytest.mark.parametrize("name", DRAWN)
def test_the_same_bytes_in_every_process(name: str) -> None:
    files = files_of(name)
    assert list(files) == ["svg", "png", "pdf"]
    assert files["pdf"].startswith(b"%PDF-")
    assert b"CreationDate" not in files["pdf"]
    program = f"from test_model_pictures import digests; print(*digests({name!r}))"
    folders = (Path(__file__).parent, Path(__file__).parents[1])
    run = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": os.pathsep.join(map(str, folders))},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.split() == digests(name)
