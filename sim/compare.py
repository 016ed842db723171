"""RTL against golden: what each layer gave for each image, and the first places where they differ."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from model import bits
from model.golden import Trace
from model.network import Network

CLASS = "class"
"""Name under which the classes are compared, after the layers."""


@dataclass(frozen=True)
class Disagreement:
    """One value that differs. `neuron` is None for the class of an image."""

    simulator: str
    sample: int
    layer: str
    neuron: int | None
    expected: int
    got: int

    def __str__(self) -> str:
        where = f"layer {self.layer!r}, neuron {self.neuron}" if self.neuron is not None else "class"
        return f"{self.simulator}: sample {self.sample}, {where}: expected {self.expected}, got {self.got}"


def disagreements(
    simulator: str,
    network: Network,
    expected: Trace,
    hidden: Sequence[Sequence[int]],
    results: Sequence[Sequence[int]],
) -> Iterator[Disagreement]:
    """Every value that differs, sample by sample and layer by layer.

    There may be fewer samples than in `expected`: the first ones. `hidden` holds for each hidden layer the word of bits
    of each sample; `results` for each sample the class and then, where the accelerator gives them, the scores as 32-bit
    words.
    """
    scores = expected.scores
    for sample, (winner, *given) in enumerate(results):
        for layer, words in zip(network.hidden, hidden, strict=True):
            right = expected.bits[layer.name][sample]
            found = bits.from_int(words[sample], layer.fan_out)
            for neuron in np.flatnonzero(right != found).tolist():
                yield Disagreement(simulator, sample, layer.name, neuron, int(right[neuron]), int(found[neuron]))
        for neuron, word in enumerate(given):
            score = word - (1 << 32) if word >> 31 else word
            if score != scores[sample, neuron]:
                yield Disagreement(simulator, sample, network.output.name, neuron, int(scores[sample, neuron]), score)
        if winner != expected.classes[sample]:
            yield Disagreement(simulator, sample, CLASS, None, int(expected.classes[sample]), winner)
