"""The pace of whole pipelines: values by hand, and what must hold of every plan."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from drawing import Drawn, draw

from model.costs import layer_pace, packet_paces, zigzag_pace
from model.mapping import P2S, S2P, Dataflow
from model.pipeline import PACKETS, Pipeline, Results, Run
from model.plan import LayerPlan
from model.topology import Convolution, Dense, StochasticInput, Topology

CLASS = Results(scores=False)
P1, S1 = (P2S, 1), (S2P, 1)


def pipeline(text: str, *layers: tuple[Dataflow, int], results: Results = CLASS, bus: int = 1024) -> Pipeline:
    return Pipeline(Topology.parse(text), tuple(LayerPlan(*each) for each in layers), results, bus)


@pytest.mark.parametrize(
    ("given", "cycles"),
    [
        pytest.param(pipeline("24-40-5-4", P1, P1, P1), 40, id="reads of a layer"),
        # 1 read, 6 cycles to the scores, 1 to their ranking, 1 beat: two images pass in that.
        pytest.param(pipeline("9-1", P1), Fraction(9, 2), id="latency of an output layer"),
        # 1 read and 6 cycles to the result, which frees its room a cycle later: two in 8 cycles, against 4.5 behind.
        pytest.param(pipeline("9-1-1", P1, P1), Fraction(9, 2), id="latency of a hidden layer hidden"),
        # A word is held 1 cycle, read 3, its scores are there 4 later; 5 steps of ranking, 3 of merging, 2 beats.
        pytest.param(
            pipeline("9-8", (S2P, 3), results=Results(2, scores=False)), Fraction(15, 2), id="room of a ranking"
        ),
        # 4 reads, 4 cycles to the next layer, 1 there, 4 to its result; a cycle to free the room.
        pytest.param(pipeline("20-8-5-1", (P2S, 2), (S2P, 2), P1), Fraction(14, 2), id="latency of a zig-zag"),
        pytest.param(pipeline("400-5-4", P1, P1, bus=8), 51, id="50 beats and the image that goes"),
        pytest.param(pipeline("10x10x4-12c1-3", P1, P1, bus=8), 1200, id="12 reads at each of 100 pixels"),
        pytest.param(pipeline("10x10x40-1c1s5-3", P1, P1, bus=8), 500, id="500 beats of pixels"),
        pytest.param(pipeline("12x12x4-m2-3", P1, P1), 144, id="the walk of a pool"),
        pytest.param(pipeline("6x4x2-9c3p1-3", P1, P1), 24 * 9, id="reads of a convolution"),
        pytest.param(pipeline("3b4-2-1", S1, P1), 4 * 3, id="reads of all planes"),
        pytest.param(pipeline("12r3x5-6-3", P1, P1), 5 * 12, id="random bits one by one"),
        pytest.param(pipeline("12r3x5d4-7-3", P1, P1), 5 * 7, id="random bits four by four"),
        pytest.param(pipeline("12r3x5e2-6-3", P1, P1), 5 * 12 * 3 * 4, id="random bits from outside"),
        pytest.param(pipeline("4x4x6-avg-5-3", P1, P1, P1), 16 * 5, id="reads of every pixel that is averaged"),
        pytest.param(pipeline("64-500", (P2S, 16), results=Results()), 501, id="a result packet"),
    ],
)
def test_cycles_by_hand(given: Pipeline, cycles: Fraction | int) -> None:
    assert given.cycles() == cycles


def test_slow_reads_take_their_cycles() -> None:
    slow = Pipeline(Topology.parse("24-9-4"), (LayerPlan(), LayerPlan()), CLASS, row=5)
    assert slow.cycles() == 9 * 5


def test_two_convolutions_hold_each_other_up() -> None:
    """Hardly a pixel is between them: the one waits while the other reads, and this one for the first rows of a map.

    By itself each takes its row reads, and a little more: from the last window of a map to the first of the next one
    lie two lines and three pixels, and only the reads of two windows, but for a cycle, go on meanwhile.
    """
    given = pipeline("18x18x3b8-16c3-8c3-10", (S2P, 27), (S2P, 15), (S2P, 32), results=Results())
    first, second = (math.ceil(given.cycles(Run(layer, layer))) for layer in (0, 1))
    assert first == 16 * 16 * 8 + 2 * 18 + 3 - (2 * 8 - 1)
    assert second == 14 * 14 * 10 + 2 * 16 + 3 - (2 * 10 - 1)
    assert given.cycles() == 2217  # as measured: see tests/test_sim_costs.py
    assert given.binding(2217) == Run(0, 1)
    # A quick first layer fills those rows sooner.
    quick = pipeline("18x18x3-16c3-8c3-10", (S2P, 27), (S2P, 15), (S2P, 32), results=Results())
    assert second < quick.cycles() < 2217


def test_results_of_an_empty_pipeline_on() -> None:
    """Two images follow each other in the cycles of the result packet, the next two when there is room again."""
    given = pipeline("9-1-1-1", P1, P1, P1)
    ends = given.ends(9)
    assert ends[0] == 0
    assert [after - before for before, after in itertools.pairwise(ends)] == [2, 7] * 4


DRAWN = [pytest.param(draw(np.random.default_rng(seed)), id=f"seed{seed}") for seed in range(120)]


def of(drawn: Drawn) -> Pipeline:
    accelerator = drawn.accelerator
    return Pipeline(accelerator.topology, accelerator.plan.layers, Results(accelerator.top, accelerator.scores))


@pytest.mark.parametrize("drawn", DRAWN)
def test_the_long_run_is_what_many_images_take(drawn: Drawn) -> None:
    """240 is a multiple of all periods up to 6, and 8, 10 and 12; the pipeline is full by then."""
    ends = of(drawn).ends(441)
    assert ends[440] - ends[200] == 240 * of(drawn).cycles()


@pytest.mark.parametrize("drawn", DRAWN)
def test_nothing_is_faster_than_its_parts(drawn: Drawn) -> None:
    given, cycles = of(drawn), of(drawn).cycles()
    alone = [given.cycles(part) for part in given.parts]
    assert cycles >= max(alone)
    assert math.ceil(alone[0]) == packet_paces(given.topology, given.results)[0].cycles
    for part, found in zip(given.parts[1:], alone[1:], strict=True):
        least = []
        for index in range(part.first, part.last + 1):
            plan = given.layers[index]
            least.append(layer_pace(given.topology, index, plan.dataflow == P2S, plan.lanes, given.results).cycles)
            if given.zigzag(index):
                least.append(zigzag_pace(given.topology, index, plan.lanes, given.results).cycles)
        exact = not isinstance(given.topology.layers[part.first], Convolution) and not (
            part.first == 0 and isinstance(given.topology.input, StochasticInput)
        )
        assert max(least) == math.ceil(found) if exact else max(least) <= math.ceil(found)


@pytest.mark.parametrize("drawn", DRAWN)
def test_none_of_those_that_bind_can_be_spared(drawn: Drawn) -> None:
    given = of(drawn)
    cycles = math.ceil(given.cycles())
    first, last = given.binding(cycles)
    starts, ends = zip(*given.parts, strict=True)
    assert math.ceil(given.cycles(Run(first, last))) == cycles
    if starts.index(first) < ends.index(last):
        behind, before = starts[starts.index(first) + 1], ends[ends.index(last) - 1]
        assert math.ceil(given.cycles(Run(behind, last))) < cycles
        assert math.ceil(given.cycles(Run(first, before))) < cycles


@pytest.mark.parametrize("drawn", DRAWN)
def test_more_reads_make_no_pipeline_faster(drawn: Drawn) -> None:
    given = of(drawn)
    for index, (shape, plan) in enumerate(zip(given.topology.layers, given.layers, strict=True)):
        if not isinstance(shape, Dense | Convolution) or given.zigzag(index) or given.zigzag(index - 1):
            continue
        layers = list(given.layers)
        layers[index] = LayerPlan(plan.dataflow, max(1, plan.lanes // 2))
        slower = Pipeline(given.topology, tuple(layers), given.results)
        # The ranking of scores that come in fewer lanes is quicker, and a zig-zag is another thing.
        if slower.parts == given.parts and index < len(layers) - 1:
            assert slower.cycles() >= given.cycles()


def test_a_run_is_cut_where_parts_end() -> None:
    given = pipeline("4x4x2-avg-6-6-3", P1, (P2S, 2), (S2P, 2), P1)
    assert given.parts == (Run(PACKETS, PACKETS), Run(0, 2), Run(3, 3))
    assert given.cycles(Run(1, 1)) == given.cycles(Run(0, 2))
