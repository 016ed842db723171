"""Max-pooling of bits: OR over each window, or AND where values were multiplied by a negative scale before."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.arrays.host_access import LayerCommand, host_ports
from hdl.bank import Bank
from hdl.block import Hardware, place
from hdl.layers.window import Window
from hdl.neurons.popcount import tree_or
from hdl.storage import word_ports
from model.windows import NO_PADDING, Pair


@dataclass(frozen=True)
class MaxPool:
    """Windows of `kernel` (rows, columns) that slide by `stride` over maps of `height` × `width` pixels of `channels`
    bits, each window pooled to one pixel.

    Ports: streams `i` and `o` of pixels; `read_en`, `read_addr`, `read_data`, `write_en`, `write_addr`, `write_data`,
    the host's way to the modes (see `hdl.bank.Bank`), one bit a channel: 0 OR, 1 AND. Modes must not change while maps
    pass. Their image adds "_modes_l0" to the path.

    Throughput and latency are those of `window`: `o` is a few gates behind its output register.
    """

    height: int
    width: int
    channels: int
    kernel: Pair
    stride: Pair

    def __post_init__(self) -> None:
        _ = self.window  # its rules are those of the pooling

    @property
    def name(self) -> str:
        members = (("k", self.kernel), ("s", self.stride))
        parts = "".join(f"_{letter}{'x'.join(map(str, numbers))}" for letter, numbers in members)
        return f"hafnet_max_pool_{self.height}x{self.width}x{self.channels}{parts}"

    @property
    def window(self) -> Window:
        return Window(self.height, self.width, self.channels, self.kernel, self.stride, NO_PADDING, 0)

    @property
    def signature(self) -> wiring.Signature:
        pixels = stream.Signature(self.channels)
        return wiring.Signature({"i": In(pixels), "o": Out(pixels), **word_ports(1, self.channels)})

    def create(self) -> "MaxPoolHardware":
        return MaxPoolHardware(self)


class MaxPoolHardware(Hardware):
    """A window, a bank of modes, and a tree of gates for each channel."""

    i: Any
    o: Any
    read_en: Signal
    read_addr: Signal
    read_data: Signal
    write_en: Signal
    write_addr: Signal
    write_data: Signal

    def __init__(self, block: MaxPool) -> None:
        self.block = block
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        channels = self.block.channels
        window = place(m, platform, "window", self.block.window)
        modes = place(m, platform, "modes", Bank(1, channels), image="_modes_l0")
        connect(m, flipped(self.i), window.i)
        # AND is the complement of the OR of complements.
        flipped_pixels = []
        for index in range(self.block.kernel[0] * self.block.kernel[1]):
            pixel = Signal(channels, name=f"pixel{index}")
            m.d.comb += pixel.eq(window.o.payload.word_select(index, channels) ^ modes.all)
            flipped_pixels.append(pixel)
        m.d.comb += [
            self.o.payload.eq(tree_or(m, flipped_pixels, "pool") ^ modes.all),
            self.o.valid.eq(window.o.valid),
            window.o.ready.eq(self.o.ready),
            modes.read_en.eq(self.read_en),
            modes.read_addr.eq(self.read_addr),
            self.read_data.eq(modes.read_data),
            modes.write_en.eq(self.write_en),
            modes.write_addr.eq(self.write_addr),
            modes.write_data.eq(self.write_data),
        ]
        return m


@dataclass(frozen=True)
class PoolLayer:
    """Max-pooling as a layer of the accelerator: its modes are numbers for the host, one a channel, in lane 0.

    Ports: `i`, `o` as in `MaxPool`; those of the host, see `hdl.arrays.host_access.host_ports`. There are no arrays to
    pulse or to wait for. A command waits until the map that is passing has passed, and the next map waits for it.
    Throughput and latency are those of `MaxPool`.
    """

    pool: MaxPool
    host_width: int

    @property
    def name(self) -> str:
        return self.pool.name.replace("max_pool", "pool_layer")

    @property
    def signature(self) -> wiring.Signature:
        pixels = stream.Signature(self.pool.channels)
        return wiring.Signature({"i": In(pixels), "o": Out(pixels), **host_ports(self.host_width)})

    def create(self) -> "PoolLayerHardware":
        return PoolLayerHardware(self)


class PoolLayerHardware(Hardware):
    """The pooling, and the host's way to its modes."""

    i: Any
    o: Any
    host: Any
    claim: Signal
    done: Signal
    read_bits: Signal
    resting: Signal

    def __init__(self, block: PoolLayer) -> None:
        self.block = block
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        pool = place(m, platform, "pool", self.block.pool)
        connect(m, flipped(self.i), pool.i)
        passing = self._between_maps(m, pool)
        order, taken = self.host.payload, self.host.valid & self.host.ready
        m.d.comb += [
            self.host.ready.eq(~passing),
            pool.read_en.eq(taken),
            pool.read_addr.eq(order.index),
            pool.write_en.eq(taken & (order.command == LayerCommand.WRITE_NUMBER)),
            pool.write_addr.eq(order.index),
            pool.write_data.eq(order.bits),
            self.read_bits.eq(pool.read_data),
            self.resting.eq(1),
        ]
        m.d.sync += self.done.eq(taken)
        return m

    def _between_maps(self, m: Module, pool: Any) -> Value:
        """Pass on the pixels; returns whether a map is passing. Where none is, the next one waits for the host."""
        height, width = self.block.pool.window.sliding.output
        word = Signal(range(max(2, height * width)))  # of the map
        offered = Signal()  # a pixel stands on `o`: it must stay there
        passing = Signal()
        held = Signal()
        m.d.comb += [
            passing.eq((word != 0) | offered),
            held.eq(~passing & (self.host.valid | self.claim)),
            self.o.payload.eq(pool.o.payload),
            self.o.valid.eq(pool.o.valid & ~held),
            pool.o.ready.eq(self.o.ready & ~held),
        ]
        m.d.sync += offered.eq(self.o.valid & ~self.o.ready)
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += word.eq(Mux(word == height * width - 1, 0, word + 1))
        return passing
