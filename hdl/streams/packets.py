"""AXI4-Stream packets in and out: one image a packet, one result a packet."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.block import Hardware, index_width

RESULT_WIDTH = 32
"""Bits of a beat of a result packet."""


def axi_stream(width: int) -> wiring.Signature:
    """AXI4-Stream (ARM IHI 0051) from its transmitter's side: TDATA, TLAST, TVALID, TREADY."""
    return wiring.Signature({"tdata": Out(width), "tlast": Out(1), "tvalid": Out(1), "tready": In(1)})


def beats(bits: int, width: int) -> int:
    """Beats of a packet of `bits` bits on a bus of `width`."""
    return -(-bits // width)


@dataclass(frozen=True)
class PacketReceiver:
    """An image of `bits` bits from a packet of ceil(bits / width) beats, bit 0 of the first beat first.

    Ports: `axis`, the packets; `o`, the stream of images; `wrong`, high for one cycle when a packet that is too short
    or too long has been dropped whole. Bits of the last beat beyond the image are ignored.

    Throughput: one image in ceil(bits / width) + 1 cycles. Latency from the last beat to `o.valid` 1 cycle.
    """

    bits: int
    width: int

    @property
    def name(self) -> str:
        return f"hafnet_packet_receiver_{self.bits}_{self.width}"

    @property
    def signature(self) -> wiring.Signature:
        return wiring.Signature(
            {"axis": In(axi_stream(self.width)), "o": Out(stream.Signature(self.bits)), "wrong": Out(1)}
        )

    def create(self) -> "PacketReceiverHardware":
        return PacketReceiverHardware(self)


class PacketReceiverHardware(Hardware):
    """A shift register by words, a beat counter, and the memory that a packet was wrong."""

    axis: Any
    o: Any
    wrong: Signal

    def __init__(self, block: PacketReceiver) -> None:
        self.block = block
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        count, width = beats(self.block.bits, self.block.width), self.block.width
        words = Signal(count * width, reset_less=True)
        beat = Signal(range(max(2, count)))
        overlong = Signal()  # the packet went on after its last beat
        m.d.comb += [self.axis.tready.eq(~self.o.valid), self.o.payload.eq(words)]
        m.d.sync += self.wrong.eq(0)
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(self.axis.tvalid & self.axis.tready):
            m.d.sync += words.eq(Cat(words[width:], self.axis.tdata))
            with m.If(self.axis.tlast):
                whole = (beat == count - 1) & ~overlong
                m.d.sync += [beat.eq(0), overlong.eq(0), self.o.valid.eq(whole), self.wrong.eq(~whole)]
            with m.Elif(beat == count - 1):
                m.d.sync += overlong.eq(1)
            with m.Else():
                m.d.sync += beat.eq(beat + 1)
        return m


def result_layout(classes: int, score_width: int, top: int = 1) -> data.StructLayout:
    """The result of one image: `indices`, the `top` best classes, the best lowest, unless `top` is 0; and `scores`,
    class 0 lowest, unless their width is 0.
    """
    members: dict[str, Any] = {}
    if top:
        members["indices"] = top * index_width(classes)
    if score_width:
        members["scores"] = classes * score_width
    return data.StructLayout(members)


@dataclass(frozen=True)
class PacketSender:
    """A packet of each result: the `top` class indices, the best first, then, where `score_width` is not 0, the scores
    of all classes, sign-extended. At least one of both: top > 0 or score_width > 0.

    Ports: `i`, the stream of results, see `result_layout`, each taken with its last beat; `axis`, packets of 32-bit
    beats. Throughput: one packet in as many cycles as it has beats. Latency from `i.valid` to the first beat 1 cycle.
    """

    classes: int
    score_width: int
    top: int = 1

    @property
    def beats(self) -> int:
        """Beats of a packet."""
        return self.top + (self.classes if self.score_width else 0)

    @property
    def name(self) -> str:
        return f"hafnet_packet_sender_{self.classes}x{self.score_width}_top{self.top}"

    @property
    def signature(self) -> wiring.Signature:
        return wiring.Signature(
            {
                "i": In(stream.Signature(result_layout(self.classes, self.score_width, self.top))),
                "axis": Out(axi_stream(RESULT_WIDTH)),
            }
        )

    def create(self) -> "PacketSenderHardware":
        return PacketSenderHardware(self)


class PacketSenderHardware(Hardware):
    """A beat counter that selects a word of the result, and the register of the beat that stands on the bus."""

    i: Any
    axis: Any

    def __init__(self, block: PacketSender) -> None:
        self.block = block
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        block, indices = self.block, index_width(self.block.classes)
        # The beat counter is the number of a score, negative while the indices go, so that it needs no arithmetic to
        # select one of a thousand scores; a case for each would be a megabyte of Verilog and a sixth more logic.
        beat = Signal(signed(index_width(max(block.top, block.classes)) + 1), init=-block.top)
        room = Signal()
        last = Signal()
        word = Signal(signed(RESULT_WIDTH))
        if block.score_width:
            score = _selected(m, "scores", self.i.payload.scores, beat[:-1], block.score_width)
            m.d.comb += word.eq(score.as_signed())
        if block.top:
            place = (beat + block.top)[: index_width(block.top)]
            with m.If(beat < 0):
                m.d.comb += word.eq(_selected(m, "indices", self.i.payload.indices, place, indices))
        m.d.comb += [
            room.eq(~self.axis.tvalid | self.axis.tready),
            last.eq(beat == block.beats - block.top - 1),
            self.i.ready.eq(room & last),
        ]
        with m.If(room):
            m.d.sync += [self.axis.tvalid.eq(self.i.valid), self.axis.tlast.eq(last), self.axis.tdata.eq(word)]
            with m.If(self.i.valid):
                m.d.sync += beat.eq(Mux(last, -block.top, beat + 1))
        return m


def _selected(m: Module, name: str, words: Value, index: Value, width: int) -> Value:
    """One of several words of `width` bits, or 0: halved by each bit of the index, the highest first. (A shift of all
    words takes Amaranth a time that grows with the square of their bits.)
    """
    left: Value = words
    for bit in reversed(range(index_width(len(words) // width))):
        half = width << bit
        part = Signal(half, name=f"{name}_{1 << bit}")
        m.d.comb += part.eq(Mux(index[bit], left[half:], left[:half]))
        left = part
    return left
