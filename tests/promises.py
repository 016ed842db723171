"""Cycles of an image as the docstrings of the hardware promise them, as the model has them, and as they were."""

from pathlib import Path

from hdl.accelerator import Accelerator
from hdl.arrays.columns import Columns
from hdl.inputs.encoder import StochasticEncoder
from hdl.layers.classifier import Classifier
from hdl.layers.dense import Dense
from hdl.layers.gather import Gather
from hdl.layers.layer import Layer
from hdl.layers.pooling import PoolLayer
from hdl.layers.sequential_classifier import SequentialClassifier
from hdl.layers.window import Window
from hdl.streams.packets import RESULT_WIDTH, beats
from model.pipeline import Pipeline, Results
from sim import harness, records


def of_layer(accelerator: Accelerator, index: int, offered: int = 1) -> float:
    """Cycles of one layer with what stands before its arrays; `offered` are those for which a result stands there."""
    block = accelerator.layers[index]
    if isinstance(block, PoolLayer):
        return block.pool.window.cycles()
    engine, windows, positions, least = block, None, 1, 0
    if isinstance(block, Layer):
        engine = block.engine
        for front in block.front:
            if isinstance(front, Window):
                positions = accelerator.topology.layers[index].result.height
                positions *= accelerator.topology.layers[index].result.width
                windows = front
            elif isinstance(front, Gather):
                least = front.count
            elif isinstance(front, StochasticEncoder):
                least = positions * front.presentations * -(-front.values // front.draws)
    reads = accelerator.reads(index) // positions
    cycles = reads * (accelerator.timing.precharge + accelerator.timing.sense)
    summed = 2 if accelerator.topology.presentations[index].count > 1 else 0
    if isinstance(engine, Classifier):
        latency = 6 + (engine.ranking.latency if engine.top else 0) + summed
        each = max(cycles, (cycles + latency + offered) / 2)
    elif isinstance(engine, Dense):
        each = max(cycles, (cycles + 7 + summed) / 2)
    elif isinstance(engine, SequentialClassifier):
        ranker = engine.ranker
        ranks = offered
        if ranker.top:
            ranks += -(-ranker.classes // ranker.lanes) + ranker.ranking.latency
        each = max(cycles, (cycles + 5 + ranks) / 2, ranks)
    else:
        each = max(cycles, (cycles + 6 - isinstance(engine, Columns)) / 2)
    if windows is not None:
        least = max(least, windows.cycles(int(each)))  # at this pace
    return max(least, positions * each)


def of_packets(accelerator: Accelerator) -> tuple[int, int]:
    """Beats of an input packet, and of a result packet."""
    classes = accelerator.topology.output.fan_out if accelerator.scores else 0
    bits, words = accelerator.word
    return beats(bits * words, accelerator.bus_width), accelerator.top + classes


def of_accelerator(accelerator: Accelerator) -> float:
    """Cycles of the slowest part."""
    packet, result = of_packets(accelerator)
    last = len(accelerator.layers) - 1
    layers = [
        of_layer(accelerator, index, result if index == last else 1)
        for index, block in enumerate(accelerator.layers)
        if block is not None
    ]
    return max(*layers, packet + (accelerator.word[1] == 1), result)


def pipeline(accelerator: Accelerator) -> Pipeline:
    """The model of an accelerator."""
    results, timing = Results(accelerator.top, accelerator.scores), accelerator.timing
    row = timing.precharge + timing.sense
    return Pipeline(accelerator.topology, accelerator.plan.layers, results, accelerator.bus_width, row)


def result_cycles(folder: Path) -> list[int]:
    """The cycles in which results ended at full rate in a simulation in `folder`, the first one in cycle 0."""
    results = records.read(records.file(folder / "run", 0, harness.RESULT), RESULT_WIDTH + 1)
    ends = results.cycles[results.bits[:, RESULT_WIDTH] == 1]
    found: list[int] = (ends - ends[0]).tolist()
    return found
