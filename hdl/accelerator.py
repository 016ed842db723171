"""The accelerator: layers joined by streams, AXI4-Stream in and out, AXI4-Lite for the host."""

from dataclasses import dataclass, field
from typing import Any

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import Flow, connect

from hdl.axi_lite import axi_lite
from hdl.block import Hardware, place
from hdl.classifier import Classifier
from hdl.dense import Dense
from hdl.packets import RESULT_WIDTH, PacketReceiver, PacketSender, axi_stream, beats
from hdl.registers import ADDRESS_WIDTH, HostRegisters, LayerSize, Timing
from model.errors import HafnetError
from model.mapping import Geometry, LayerMap, offset_width, threshold_width

LARGEST_INDEX = 2**16 - 1
"""The host addresses groups, tiles, rows and neurons with 16 bits."""
LARGEST_BUS = 1024
"""Widest input bus in bits: AXI allows no wider TDATA."""


@dataclass(frozen=True)
class Accelerator:
    """A pipeline of dense layers and a classifier for every network of one shape.

    Members: `shape`, input bits and then the fan-out of each layer, as `Network.shape`; `geometry`, the arrays;
    `scores`, whether result packets carry all scores after the class; `input_width`, TDATA bits of the input (a
    multiple of 8 up to 1024; None chooses the narrowest of 32, 64 … 1024 that does not slow the pipeline down);
    `timing`, the phase lengths after reset. Raises HafnetError where a member breaks its rule.

    Ports: `clk`, `rst` (synchronous, active high); `s_axis_*`, AXI4-Stream, one image a packet, input bit 0 in bit 0 of
    the first beat; `m_axis_*`, AXI4-Stream of 32-bit beats, one result a packet: class index, then the scores, sign-
    extended; `s_axil_*`, AXI4-Lite, see `hdl.registers.Register`.

    All layers work at the same time on successive images. Throughput: one image in as many cycles as the largest of
      reads of any layer, where reads = fan_out × (precharge + sense),
      (reads + 7) / 2 of a hidden layer,
      (reads + 7 + beats of a result packet) / 2 of the output layer, and
      beats of an input packet + 1,
    which is at most 4 more than the largest number of reads or beats.
    """

    shape: tuple[int, ...]
    geometry: Geometry = field(default_factory=Geometry)
    scores: bool = True
    input_width: int | None = None
    timing: Timing = field(default_factory=Timing)

    name = "hafnet_accelerator"

    def __post_init__(self) -> None:
        if len(self.shape) < 2 or min(self.shape) < 1:
            raise HafnetError(f"shape {self.shape} is not input bits and one fan-out or more, all at least 1")
        if max(self.shape) > LARGEST_INDEX:
            raise HafnetError(f"shape {self.shape} has a layer wider than {LARGEST_INDEX}, the most a host can address")
        if self.input_width is not None and not (8 <= self.input_width <= LARGEST_BUS and self.input_width % 8 == 0):
            raise HafnetError(f"an input bus of {self.input_width} bits is not a multiple of 8 from 8 to {LARGEST_BUS}")

    @property
    def maps(self) -> tuple[LayerMap, ...]:
        return tuple(LayerMap(n, m, self.geometry) for n, m in zip(self.shape, self.shape[1:]))

    @property
    def reads(self) -> int:
        """Row reads of the layer that has most."""
        return max(grid.reads for grid in self.maps)

    @property
    def bus_width(self) -> int:
        """TDATA bits of the input."""
        if self.input_width is not None:
            return self.input_width
        width = 32
        # An image's packet takes a cycle more than it has beats.
        while width < LARGEST_BUS and beats(self.shape[0], width) >= max(self.reads, 2):
            width *= 2
        return width

    @property
    def host_width(self) -> int:
        """Bits of the widest word that the host exchanges with a layer."""
        integers = [threshold_width(grid.fan_in) for grid in self.maps[:-1]] + [offset_width(self.maps[-1].fan_in)]
        return max(self.geometry.columns, *integers)

    @property
    def layers(self) -> tuple[Dense | Classifier, ...]:
        rows, columns = self.geometry.rows, self.geometry.columns
        *hidden, last = self.maps
        return (
            *(Dense(grid.fan_in, grid.fan_out, rows, columns, self.host_width) for grid in hidden),
            Classifier(last.fan_in, last.fan_out, rows, columns, self.scores, self.host_width),
        )

    @property
    def registers(self) -> HostRegisters:
        sizes = tuple(LayerSize(grid.groups, grid.tiles, grid.fan_out) for grid in self.maps)
        rows, columns = self.geometry.rows, self.geometry.columns
        return HostRegisters(self.shape[0], self.shape[-1], rows, columns, sizes, self.host_width, self.timing)

    @property
    def signature(self) -> wiring.Signature:
        return wiring.Signature(
            {
                **_flat("s_axis", axi_stream(self.bus_width).flip()),
                **_flat("m_axis", axi_stream(RESULT_WIDTH)),
                **_flat("s_axil", axi_lite(ADDRESS_WIDTH).flip()),
            }
        )

    def create(self) -> "AcceleratorHardware":
        return AcceleratorHardware(self)


def _flat(prefix: str, signature: Any) -> dict[str, wiring.Member]:
    """The members of an interface under the names that chip tools expect: prefix_tdata and so on."""
    return {f"{prefix}_{name}": member for name, member in signature.members.items()}


class AcceleratorHardware(Hardware):
    """Receiver -> layers -> sender, and the registers beside them."""

    def __init__(self, block: Accelerator) -> None:
        self.block = block
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        block = self.block
        registers = place(m, platform, "registers", block.registers)
        receiver = place(m, platform, "receiver", PacketReceiver(block.shape[0], block.bus_width))
        last = block.layers[-1]
        assert isinstance(last, Classifier)
        sender = place(m, platform, "sender", PacketSender(last.classes, last.score_width if block.scores else 0))
        self._expose(m, "s_axis", receiver.axis)
        self._expose(m, "m_axis", sender.axis)
        self._expose(m, "s_axil", registers.axil)

        source = receiver.o
        for index, layer_block in enumerate(block.layers):
            layer = place(m, platform, f"layer{index}", layer_block, image=f"layer{index}")
            connect(m, source, layer.i)
            connect(m, getattr(registers, f"host{index}"), layer.host)
            m.d.comb += [
                layer.timing.eq(registers.timing),
                getattr(registers, f"done{index}").eq(layer.done),
                getattr(registers, f"failed{index}").eq(layer.failed),
                getattr(registers, f"read_bits{index}").eq(layer.read_bits),
            ]
            source = layer.o
            for signal in (source.payload, source.valid, source.ready):
                net: Any = Value.cast(signal)
                net.attrs["keep"] = 1  # the manifest names these nets for whoever watches the layers
        connect(m, source, sender.i)
        m.d.comb += [
            registers.image_in.eq(receiver.o.valid & receiver.o.ready),
            registers.image_out.eq(sender.i.valid & sender.i.ready),
            registers.wrong_packet.eq(receiver.wrong),
        ]
        return m

    def _expose(self, m: Module, prefix: str, inside: Any) -> None:
        """Join an interface to the top-level ports of its name."""
        for name, member in inside.signature.members.items():
            port: Signal = getattr(self, f"{prefix}_{name}")
            # The signature is the child's as its neighbours see it: an Out is driven inside.
            driven_inside = member.flow is Flow.Out
            m.d.comb += port.eq(getattr(inside, name)) if driven_inside else getattr(inside, name).eq(port)
