"""The neurons of one column of arrays: each adds up what its column says, and all decide at once."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.block import Hardware
from model.mapping import offset_width, score_width, threshold_width


def column_counts(m: Module, words: Sequence[Sequence[Value]]) -> list[Value]:
    """How many ones there are at each place of words, which are equally wide: those of `words[k]` count 2 ** k each.
    Returns as many words as `words` has lists, that of the counts' lowest bits first; no count may need more.

    A carry-save tree of full adders on whole words: the description does not grow with their width.
    """
    counts: list[Value] = []
    carries: deque[Value] = deque()
    for equal in words:
        queue, carries = deque([*equal, *carries]), deque()
        while len(queue) > 1:
            a, b = queue.popleft(), queue.popleft()
            c = queue.popleft() if queue else None
            name = f"{len(counts)}_{len(carries)}"
            total = Signal(len(a), name=f"total{name}")
            carry = Signal(len(a), name=f"carry{name}")
            if c is None:
                m.d.comb += [total.eq(a ^ b), carry.eq(a & b)]
            else:
                m.d.comb += [total.eq(a ^ b ^ c), carry.eq((a & b) | (c & (a | b)))]
            queue.append(total)
            carries.append(carry)
        counts.append(queue[0])
    return counts


@dataclass(frozen=True)
class Tally:
    """`neurons` accumulators, for counts up to `most` at a time and sums up to `top`, with a threshold or offset each.

    Ports: `strobe`, `counts` is to be added: the lowest bits of all neurons, neuron 0 in bit 0, then their next bits,
    …; `first`, it is the first of a sum; `twice`, what came before counts twice. `numbers`: the neurons' thresholds or
    offsets, neuron 0 lowest. `results`, valid from the cycle after `strobe`: a bit a neuron, whether its sum is not
    below its threshold; or its sum + offset, two's complement. Throughput 1 count a cycle.
    """

    neurons: int
    most: int
    top: int
    kind: Literal["thresholds", "offsets"]

    @property
    def name(self) -> str:
        return f"hafnet_tally_{self.neurons}x{self.most}_{self.top}_{self.kind}"

    @property
    def number_width(self) -> int:
        return threshold_width(self.top) if self.kind == "thresholds" else offset_width(self.top)

    @property
    def result_width(self) -> int:
        return 1 if self.kind == "thresholds" else score_width(self.top)

    @property
    def signature(self) -> wiring.Signature:
        return wiring.Signature(
            {
                "strobe": In(1),
                "first": In(1),
                "twice": In(1),
                "counts": In(self.neurons * self.most.bit_length()),
                "numbers": In(self.neurons * self.number_width),
                "results": Out(self.neurons * self.result_width),
            }
        )

    def create(self) -> "TallyHardware":
        return TallyHardware(self)


class TallyHardware(Hardware):
    """An adder, a register and a comparator (or a second adder) a neuron."""

    strobe: Signal
    first: Signal
    twice: Signal
    counts: Signal
    numbers: Signal
    results: Signal

    def __init__(self, block: Tally) -> None:
        self.block = block
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        neurons, width = self.block.neurons, self.block.number_width
        for index in range(neurons):
            total = Signal(self.block.top.bit_length(), name=f"total{index}", reset_less=True)
            before, count = Signal.like(total, name=f"before{index}"), self.counts[index::neurons]
            m.d.comb += before.eq(Mux(self.first, 0, Mux(self.twice, total << 1, total)))
            with m.If(self.strobe):
                m.d.sync += total.eq(before + count)
            number = self.numbers[index * width : (index + 1) * width]
            result = self.results.word_select(index, self.block.result_width)
            if self.block.kind == "thresholds":
                m.d.comb += result.eq(total >= number)
            else:
                m.d.comb += result.eq(total + number.as_signed())
        return m
