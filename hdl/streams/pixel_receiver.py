"""Images from AXI4-Stream packets as streams of pixels."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.block import Hardware, index_width, place
from hdl.storage import Storage
from hdl.streams.gearbox import Gearbox
from hdl.streams.packets import axi_stream


@dataclass(frozen=True)
class PixelReceiver:
    """`count` words of `depth` bits from each packet of ceil(count × depth / bus) beats of `bus` bits: the words packed
    without gaps, bit 0 of the first beat first. Bits of the last beat beyond the image are ignored.

    Ports: `axis`, the packets; `o`, the stream of words; `wrong`, high for one cycle when a packet that is too short or
    too long has been dropped whole. A packet is passed on when its end has come, and there is room for two at least:
    one that comes while another one leaves.

    Throughput: one image in max(beats, count) cycles. Latency from the last beat to the first word on `o`:
    2 + ceil(depth / bus) cycles.
    """

    depth: int
    count: int
    bus: int

    @property
    def name(self) -> str:
        return f"hafnet_pixel_receiver_{self.depth}x{self.count}_{self.bus}"

    @property
    def gearbox(self) -> Gearbox:
        return Gearbox(self.bus, self.depth, self.count)

    @property
    def beats(self) -> int:
        """Beats of a packet."""
        return self.gearbox.beats

    @property
    def signature(self) -> wiring.Signature:
        return wiring.Signature(
            {"axis": In(axi_stream(self.bus)), "o": Out(stream.Signature(self.depth)), "wrong": Out(1)}
        )

    def create(self) -> "PixelReceiverHardware":
        return PixelReceiverHardware(self)


class PixelReceiverHardware(Hardware):
    """A ring of beats: written ahead, readable as far as whole packets reach, set back where a packet is wrong."""

    axis: Any
    o: Any
    wrong: Signal

    def __init__(self, block: PixelReceiver) -> None:
        self.block = block
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        count = self.block.beats
        # A power of two, so that positions wrap by themselves; one bit more tells a full ring from an empty one.
        address = index_width(2 * count)
        ring = place(m, platform, "ring", Storage(self.block.bus, 1 << address, image=False))
        write, start, read = (Signal(address + 1, name=name) for name in ("write", "start", "read"))

        beat = Signal(range(max(2, count)))
        overlong = Signal()  # the packet went on after its last beat
        taken = Signal()
        m.d.comb += [
            self.axis.tready.eq(overlong | ((write ^ read) != 1 << address)),
            taken.eq(self.axis.tvalid & self.axis.tready),
            ring.write_en.eq(taken & ~overlong),
            ring.write_addr.eq(write[:address]),
            ring.write_data.eq(self.axis.tdata),
        ]
        m.d.sync += self.wrong.eq(0)
        with m.If(taken):
            whole = (beat == count - 1) & ~overlong
            with m.If(self.axis.tlast & whole):
                m.d.sync += [write.eq(write + 1), start.eq(write + 1), beat.eq(0)]
            with m.Elif(self.axis.tlast):
                m.d.sync += [write.eq(start), beat.eq(0), overlong.eq(0), self.wrong.eq(1)]
            with m.Elif(whole):
                m.d.sync += overlong.eq(1)
            with m.Elif(~overlong):
                m.d.sync += [write.eq(write + 1), beat.eq(beat + 1)]

        gearbox = place(m, platform, "gearbox", self.block.gearbox)
        connect(m, gearbox.o, flipped(self.o))
        m.d.comb += [
            ring.read_en.eq((read != start) & (~gearbox.i.valid | gearbox.i.ready)),
            ring.read_addr.eq(read[:address]),
            gearbox.i.payload.eq(ring.read_data),
        ]
        fetched = Signal()  # a beat was read and waits in the ring's output
        m.d.comb += gearbox.i.valid.eq(fetched)
        with m.If(ring.read_en):
            m.d.sync += [read.eq(read + 1), fetched.eq(1)]
        with m.Elif(gearbox.i.ready):
            m.d.sync += fetched.eq(0)
        return m
