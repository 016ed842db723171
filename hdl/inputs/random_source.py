"""Random words from a defined seed: the generator xoshiro128++, of which golden reproduces every bit."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import C, Cat, Module, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.block import Hardware, place
from model import random_bits
from model.random_bits import STATE, WORD


@dataclass(frozen=True)
class Xoshiro128:
    """Generator number `stream` of seed `seed`: the words of `model.random_bits.draws`, 32 bits each.

    Port: `o`, the stream of words; it is always valid. Throughput 1 word a cycle, a new one only after one was taken;
    a reset starts again at word 0. Raises HafnetError for a seed or stream that is not in 0 … 2^64 - 1.
    """

    seed: int
    stream: int = 0

    def __post_init__(self) -> None:
        random_bits.state(self.seed, self.stream)

    @property
    def name(self) -> str:
        return f"hafnet_xoshiro128_{self.seed:x}_{self.stream}"

    @property
    def signature(self) -> wiring.Signature:
        return wiring.Signature({"o": Out(stream.Signature(WORD))})

    def create(self) -> "XoshiroHardware":
        return XoshiroHardware(self)


class XoshiroHardware(Hardware):
    """The word that is offered, and the state behind it: after a reset word 0 and the state after its step."""

    o: Any

    def __init__(self, block: Xoshiro128) -> None:
        self.block = block
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        seed, number = self.block.seed, self.block.stream
        s = [Signal(WORD, name=f"s{k}", init=init) for k, init in enumerate(random_bits.state(seed, number, start=1))]
        word = Signal(WORD, init=int(random_bits.draws(seed, number, 0, 1)[0]))
        m.d.comb += [self.o.valid.eq(1), self.o.payload.eq(word)]
        with m.If(self.o.ready):
            m.d.sync += step(m, s, word)
        return m


def step(m: Module, s: list[Signal], word: Signal) -> list[Any]:
    """Statements by which the state `s` makes a step and gives `word`."""
    total = Signal(WORD)
    left = Signal(WORD)
    right = Signal(WORD)
    m.d.comb += [total.eq(s[0] + s[3]), left.eq(s[0] ^ s[2]), right.eq(s[1] ^ s[3])]
    return [
        word.eq(total.rotate_left(7) + s[0]),
        s[0].eq(s[0] ^ right),
        s[1].eq(s[1] ^ left),
        s[2].eq(left ^ Cat(C(0, 9), s[1][:-9])),
        s[3].eq(right.rotate_left(11)),
    ]


@dataclass(frozen=True)
class SeededXoshiro128:
    """The same generator from a state that comes from outside, so that one module serves all seeds.

    Ports: `seed`, the state after the first step, its word 0 lowest, and above it word 0 of the generator (see
    `model.device_images`); it must stand still from the reset on, whose end is followed by one cycle of loading. `o`,
    the stream of words; valid from the next cycle on. Throughput 1 word a cycle, a new one only after one was taken.
    """

    name = "hafnet_seeded_xoshiro128"

    @property
    def signature(self) -> wiring.Signature:
        return wiring.Signature({"seed": In(STATE + WORD), "o": Out(stream.Signature(WORD))})

    def create(self) -> "SeededXoshiroHardware":
        return SeededXoshiroHardware(self)


class SeededXoshiroHardware(Hardware):
    """State and word, loaded in the first cycle."""

    seed: Signal
    o: Any

    def __init__(self, block: SeededXoshiro128) -> None:
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        s = [Signal(WORD, name=f"s{k}", reset_less=True) for k in range(STATE // WORD)]
        word = Signal(WORD, reset_less=True)
        m.d.comb += self.o.payload.eq(word)
        m.d.sync += self.o.valid.eq(1)
        with m.If(~self.o.valid):
            m.d.sync += Cat(s, word).eq(self.seed)
        with m.Elif(self.o.ready):
            m.d.sync += step(m, s, word)
        return m


@dataclass(frozen=True)
class RandomWords:
    """Random words of `width` bits: one word of each of the generators 0 … ceil(width / 32) - 1 of `seed`, that of
    generator 0 lowest. Random numbers cut from them are `model.random_bits.numbers`.

    Port: `o`, the stream of words; it is always valid. Throughput and reset as `Xoshiro128`.
    """

    width: int
    seed: int

    def __post_init__(self) -> None:
        random_bits.state(self.seed)

    @property
    def name(self) -> str:
        return f"hafnet_random_words_{self.width}_{self.seed:x}"

    @property
    def signature(self) -> wiring.Signature:
        return wiring.Signature({"o": Out(stream.Signature(self.width))})

    def create(self) -> "RandomWordsHardware":
        return RandomWordsHardware(self)


class RandomWordsHardware(Hardware):
    """Generators in step."""

    o: Any

    def __init__(self, block: RandomWords) -> None:
        self.block = block
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        words: list[Value] = []
        for number in range(-(-self.block.width // WORD)):
            generator = place(m, platform, f"generator{number}", Xoshiro128(self.block.seed, number))
            m.d.comb += generator.o.ready.eq(self.o.ready)
            words.append(generator.o.payload)
        m.d.comb += [self.o.valid.eq(1), self.o.payload.eq(Cat(words))]
        return m
