"""The accelerator: layers joined by streams, AXI4-Stream in and out, AXI4-Lite for the host."""

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import Flow, In, Out, connect

from hdl.arrays.columns import Columns
from hdl.arrays.controller import Limits
from hdl.arrays.grid import Grid
from hdl.arrays.reserve import Reserve
from hdl.arrays.spare_table import ENTRY
from hdl.block import Hardware, place
from hdl.inputs.encoder import PlaneSplitter, StochasticEncoder
from hdl.inputs.whitening import Whitener
from hdl.layers.classifier import Classifier
from hdl.layers.dense import Dense
from hdl.layers.gather import Gather
from hdl.layers.layer import Engine, Front, Layer
from hdl.layers.pooling import MaxPool, PoolLayer
from hdl.layers.sequential_classifier import SequentialClassifier
from hdl.layers.sequential_dense import SequentialDense
from hdl.layers.window import Window
from hdl.neurons.targets import Target, check_target
from hdl.programming import LayerSize, layer_side
from hdl.registers import ADDRESS_WIDTH, HostRegisters, Timing
from hdl.streams.axi_lite import axi_lite
from hdl.streams.packets import RESULT_WIDTH, PacketReceiver, PacketSender, axi_stream, beats
from hdl.streams.pixel_receiver import PixelReceiver
from hdl.streams.row_receiver import ROW_BEAT
from model import topology as shapes
from model.errors import HafnetError
from model.mapping import S2P, LayerMap, offset_width, threshold_width
from model.pipeline import WIDEST_BUS, Pipeline, Results
from model.plan import Plan
from model.topology import PlaneInput, StochasticInput, Topology

LARGEST_TABLE = 64
"""Most rows of a layer that can be remapped at a time: each of its arrays compares with all of them."""
LARGEST_INDEX = 2**16 - 1
"""The host addresses groups, tiles, rows and numbers with 16 bits."""

HardwareLayer: TypeAlias = Engine | Columns | Layer | PoolLayer


@dataclass(frozen=True)
class Accelerator:
    """A pipeline of layers for every network of one topology.

    Members: `topology`, the network without its contents; `plan`, the arrays, and how each layer is read; `top`, how
    many classes a result packet names, best first (0: none), and `scores`, whether all scores come after them;
    `input_width`, TDATA bits of the input (a multiple of 8 up to 1024; None chooses the narrowest of 32, 64 … 1024 that
    does not slow the pipeline down); `timing`, how arrays are read and pulsed after reset; `target`, what the popcounts
    of P2S layers are built of: "generic" of gates, else an FPGA's own primitives (see `hdl.neurons.targets`); `limits`,
    what no pulse can exceed (see `hdl.arrays.controller.Limits`); `spare_entries`, rows of a layer that can be remapped
    at a time, if the plan has spare ones (1 … 64). Raises HafnetError where a member breaks its rule.

    Ports: `clk`, `rst` (synchronous, active high); `s_axis_*`, AXI4-Stream, one image a packet, its codes packed
    without gaps, bit 0 of value 0 in bit 0 of the first beat; `m_axis_*`, AXI4-Stream of 32-bit beats, one result a
    packet: class indices, then the scores, sign-extended; `s_axil_*`, AXI4-Lite, see `hdl.registers.Register`;
    `s_prog_*`, AXI4-Stream of 32-bit beats, the rows of an array a packet; `supply_ok`, the programming voltage is
    stable (synchronous), and `amplitude`, the code of the DAC that makes it; `irq`; `idle`, no packet or image is under
    way, no command, and nothing in the arrays; for stochastic inputs from outside `s_raw{n}_t*`, streams of raw random
    bits.

    All layers work at the same time on successive images. Throughput: no image in less cycles than the slowest part
    takes: a layer of neurons positions × presentations × reads × (precharge + sense) where this is not less than 8 at
    each position (see `hdl.layers.dense.Dense`, `hdl.layers.classifier.Classifier`), a window what
    `hdl.layers.window.Window.cycles` tells, the input packet its beats + 1, the result packet its beats. What windows
    that hold each other up take together is told by `model.pipeline.Pipeline.cycles`.
    """

    topology: Topology
    plan: Plan = field(default_factory=Plan)
    scores: bool = True
    top: int = 1
    input_width: int | None = None
    timing: Timing = field(default_factory=Timing)
    target: Target = "generic"
    limits: Limits = field(default_factory=Limits)
    spare_entries: int = 8

    name = "hafnet_accelerator"

    def __post_init__(self) -> None:
        check_target(self.target)
        self.timing.check(self.limits)
        if not 1 <= self.spare_entries <= LARGEST_TABLE:
            raise HafnetError(
                f"a table of {self.spare_entries} remapped rows is not possible, only of 1 … {LARGEST_TABLE}"
            )
        object.__setattr__(self, "plan", self.plan.of(self.topology))
        classes = self.topology.output.fan_out
        if not 0 <= self.top <= classes:
            raise HafnetError(
                f"results of the {self.top} best of {classes} classes are not possible, only of 0 … {classes}"
            )
        if not self.top and not self.scores:
            raise HafnetError("results without classes need scores, or there is nothing in them")
        for name, grid in zip(self.topology.names, self.maps, strict=True):
            if grid is not None and max(grid.groups, grid.tiles, grid.fan_out) > LARGEST_INDEX:
                raise HafnetError(
                    f"layer {name!r} has more than {LARGEST_INDEX} neurons or groups, the most a host can address"
                )
        if self.input_width is not None and not (8 <= self.input_width <= WIDEST_BUS and self.input_width % 8 == 0):
            raise HafnetError(f"an input bus of {self.input_width} bits is not a multiple of 8 from 8 to {WIDEST_BUS}")

    @property
    def maps(self) -> tuple[LayerMap | None, ...]:
        return self.plan.maps(self.topology)

    @property
    def arrays(self) -> int:
        return sum(grid.arrays for grid in self.maps if grid is not None)

    def reads(self, index: int) -> int:
        """Row reads, one after the other, of layer `index` for an image."""
        shape, grid = self.topology.layers[index], self.maps[index]
        if grid is None or not isinstance(shape, shapes.Dense | shapes.Convolution):
            return 0
        return grid.reads * self.topology.presentations[index].count * shape.positions

    @property
    def word(self) -> tuple[int, int]:
        """Bits of a word of the input stream, and words an image: a pixel, or all where the first layer is dense."""
        source, depth = self.topology.source, self.topology.input.depth
        return source.channels * depth, source.height * source.width

    @property
    def bus_width(self) -> int:
        """TDATA bits of the input."""
        if self.input_width is not None:
            return self.input_width
        bits, most = self.word[0] * self.word[1], max(self.reads(index) for index in range(len(self.maps)))
        width = 32
        # An image's packet takes a cycle more than it has beats.
        while width < WIDEST_BUS and beats(bits, width) >= max(most, 2):
            width *= 2
        if self.word[1] == 1:
            return width
        # Pixels must be there soon enough, too, where the first layer waits for the first rows of a map.
        results, layers = Results(self.top, self.scores), self.plan.layers
        cycles = Pipeline(self.topology, layers, results).cycles()
        while width < WIDEST_BUS and Pipeline(self.topology, layers, results, width).cycles() > cycles:
            width *= 2
        return width

    @property
    def reserve(self) -> Reserve:
        """What is kept back of each array; one table of remapped rows for each layer, if there are spare ones."""
        geometry = self.plan.geometry
        return Reserve(geometry.spare_rows, geometry.signature, self.spare_entries if geometry.spare_rows else 0)

    @property
    def host_width(self) -> int:
        """Bits of the widest word that the host exchanges with a layer."""
        widths = [ENTRY.size if self.reserve.entries else 1]
        for index, grid in enumerate(self.maps):
            if grid is not None:
                top, last = self.topology.top(index), index == len(self.maps) - 1
                widths += [grid.word_width, offset_width(top) if last else threshold_width(top)]
        return max(widths)

    @property
    def layers(self) -> tuple[HardwareLayer | None, ...]:
        """The hardware of each layer; None for average pooling, which the dense layer behind it does."""
        return tuple(self._layer(index) for index in range(len(self.maps)))

    def _layer(self, index: int) -> HardwareLayer | None:
        """The hardware of a layer."""
        shape = self.topology.layers[index]
        if isinstance(shape, shapes.AveragePool):
            return None
        if isinstance(shape, shapes.MaxPool):
            return PoolLayer(MaxPool(*shape.source, shape.kernel, shape.stride), self.host_width)
        front, engine = self._front(index), self._engine(index)
        if not front:
            return engine
        assert not isinstance(engine, Columns)  # a layer that is fed as it reads has nothing before it
        return Layer(front, engine)

    def _front(self, index: int) -> tuple[Front, ...]:
        """What stands before the arrays of a layer."""
        shape, given = self.topology.layers[index], self.topology.input
        assert isinstance(shape, shapes.Dense | shapes.Convolution)
        front: list[Front] = []
        if isinstance(shape, shapes.Convolution):
            depth = given.depth if index == 0 else 1
            height, width, channels = shape.source
            fill = sum(shape.fill << (depth * channel) for channel in range(channels))
            front.append(Window(height, width, channels * depth, shape.kernel, shape.stride, shape.padding, fill))
        elif index > 0 and not isinstance(self.topology.layers[index - 1], shapes.AveragePool):
            source = self.topology.layers[index - 1].result
            if source.height * source.width > 1:
                front.append(Gather(source.channels, source.height * source.width))
        values = shape.fan_in * (shape.groups if isinstance(shape, shapes.Convolution) else 1)
        if index == 0 and isinstance(given, PlaneInput):
            front.append(PlaneSplitter(values, given.depth, given.planes))
        elif index == 0 and isinstance(given, StochasticInput):
            seed = None if given.external else given.seed
            front.append(StochasticEncoder(values, given.depth, given.times, given.draws, seed))
        return tuple(front)

    def _engine(self, index: int) -> Engine | Columns:
        """The arrays of a layer, with what they feed."""
        shape, grid = self.topology.layers[index], self.maps[index]
        assert isinstance(shape, shapes.Dense | shapes.Convolution)
        assert grid is not None
        presentations, last = self.topology.presentations[index], index == len(self.maps) - 1
        if grid.dataflow == S2P:
            return self._sequential(index, shape, grid)
        block = Grid(
            shape.fan_in,
            shape.fan_out,
            self.plan.geometry.rows,
            self.plan.geometry.columns,
            "offsets" if last else "thresholds",
            self.host_width,
            grid.lanes,
            shape.groups if isinstance(shape, shapes.Convolution) else 1,
            presentations.count,
            presentations.halving and presentations.count > 1,
            shape.ternary,
            self.plan.numbers_in_arrays,
            self.target,
            self.plan.fidelity,
            self.limits,
            self.reserve,
        )
        return Classifier(block, self.scores, self.top) if last else Dense(block, streamed=self.zigzag(index))

    def _sequential(self, index: int, shape: shapes.Weighted, grid: LayerMap) -> Engine | Columns:
        """The arrays of a layer that reads input by input."""
        geometry, presentations = self.plan.geometry, self.topology.presentations[index]
        last, streamed = index == len(self.maps) - 1, self.zigzag(index - 1)
        size = (shape.fan_in, shape.fan_out, geometry.rows, geometry.columns)
        numbers: Literal["thresholds", "offsets"] = "offsets" if last else "thresholds"
        sink = Columns(
            *size,
            grid.lanes,
            presentations,
            shape.ternary,
            numbers,
            self.host_width,
            self.plan.numbers_in_arrays,
            self.plan.fidelity,
            self.limits,
            self.reserve,
        )
        if last:
            return SequentialClassifier(sink, self.scores, self.top, streamed)
        if streamed:
            return sink
        return SequentialDense(sink)

    def zigzag(self, index: int) -> bool:
        """Whether the neurons of layer `index` go straight into the arrays of the next one, as they come."""
        return self.plan.zigzag(self.topology, index)

    @property
    def registers(self) -> HostRegisters:
        sizes = []
        for shape, grid in zip(self.topology.layers, self.maps, strict=True):
            if grid is not None:
                sizes.append(LayerSize(grid.groups, grid.tiles, *self._numbers(grid), grid.ternary))
            else:
                sizes.append(LayerSize(0, 0, 1, shape.result.channels if isinstance(shape, shapes.MaxPool) else 0))
        given, geometry = self.topology.input, self.plan.geometry
        return HostRegisters(
            given.width * given.depth,
            self.topology.output.fan_out,
            geometry.rows,
            geometry.columns,
            tuple(sizes),
            self.host_width,
            self.timing,
            self.limits,
            self.reserve,
        )

    def _numbers(self, grid: LayerMap) -> tuple[int, int]:
        """Lanes of a layer's numbers, and numbers in a lane, as far as the host writes them one by one."""
        return (0, 0) if grid.number_bits else (grid.number_lanes, grid.numbers)

    @property
    def raw_sources(self) -> int:
        """True random sources outside."""
        return self.topology.input.external if isinstance(self.topology.input, StochasticInput) else 0

    @property
    def signature(self) -> wiring.Signature:
        raw = {f"s_raw{index}": _bit_stream().flip() for index in range(self.raw_sources)}
        members = {
            **_flat("s_axis", axi_stream(self.bus_width).flip()),
            **_flat("m_axis", axi_stream(RESULT_WIDTH)),
            **_flat("s_axil", axi_lite(ADDRESS_WIDTH).flip()),
            **_flat("s_prog", axi_stream(ROW_BEAT).flip()),
            "supply_ok": In(1),
            "amplitude": Out(8),
            "irq": Out(1),
            "idle": Out(1),
        }
        for prefix, signature in raw.items():
            members |= _flat(prefix, signature)
        return wiring.Signature(members)

    def create(self) -> "AcceleratorHardware":
        return AcceleratorHardware(self)


def _bit_stream() -> wiring.Signature:
    """AXI4-Stream of single bits without packets, from its transmitter's side."""
    return wiring.Signature({"tdata": Out(1), "tvalid": Out(1), "tready": In(1)})


def _flat(prefix: str, signature: Any) -> dict[str, wiring.Member]:
    """The members of an interface under the names that chip tools expect: prefix_tdata and so on."""
    return {f"{prefix}_{name}": member for name, member in signature.members.items()}


class AcceleratorHardware(Hardware):
    """Receiver -> layers -> sender, and the registers beside them."""

    supply_ok: Signal
    amplitude: Signal
    irq: Signal
    idle: Signal

    def __init__(self, block: Accelerator) -> None:
        self.block = block
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        block = self.block
        registers = place(m, platform, "registers", block.registers)
        bits, words = block.word
        if words == 1:
            receiver = place(m, platform, "receiver", PacketReceiver(bits, block.bus_width))
        else:
            receiver = place(m, platform, "receiver", PixelReceiver(bits, words, block.bus_width))
        layers = block.layers
        last = layers[-1]
        classifier = last.engine if isinstance(last, Layer) else last
        assert isinstance(classifier, Classifier | SequentialClassifier)
        width = classifier.score_width if block.scores else 0
        sender = place(m, platform, "sender", PacketSender(classifier.classes, width, block.top))
        self._expose(m, "s_axis", receiver.axis)
        self._expose(m, "m_axis", sender.axis)
        self._expose(m, "s_axil", registers.axil)
        self._expose(m, "s_prog", registers.prog)

        source: Any = receiver.o
        streaming: Any = None  # the layer before, if its neurons are taken as they come
        for index, layer_block in enumerate(layers):
            if layer_block is None:
                m.d.comb += getattr(registers, f"resting{index}").eq(1)  # there is nothing that could be at work
                continue
            layer = place(m, platform, f"layer{index}", layer_block, image=f"layer{index}")
            if streaming is None:
                connect(m, source, layer.i)
            else:
                self._zigzag(m, streaming, layer)
            self._join_host(m, registers, index, layer)
            if not block.zigzag(index):
                m.d.comb += layer.timing.eq(registers.timing)
            if "entropy" in layer_block.signature.members:
                self._whiten(m, platform, layer.entropy)
            streaming = layer if block.zigzag(index) else None
            source = None if streaming is not None else layer.o
            nets = (layer.fire, layer.fired) if source is None else (source.payload, source.valid, source.ready)
            for signal in nets:
                net: Any = Value.cast(signal)
                net.attrs["keep"] = 1  # the manifest names these nets for whoever watches the layers
        connect(m, source, sender.i)
        word = Signal(range(max(2, words)))  # of the image that the first layer takes
        with m.If(receiver.o.valid & receiver.o.ready):
            m.d.sync += word.eq(Mux(word == words - 1, 0, word + 1))
        m.d.comb += [
            registers.image_in.eq(receiver.o.valid & receiver.o.ready & (word == words - 1)),
            registers.image_out.eq(sender.i.valid & sender.i.ready),
            registers.wrong_packet.eq(receiver.wrong),
            registers.supply_ok.eq(self.supply_ok),
            self.amplitude.eq(registers.amplitude),
            self.irq.eq(registers.irq),
        ]
        self._idle(m, registers, receiver, sender)
        return m

    def _join_host(self, m: Module, registers: Any, index: int, layer: Any) -> None:
        """A layer and the host's side of it."""
        connect(m, getattr(registers, f"host{index}"), layer.host)
        m.d.comb += layer.supply_ok.eq(self.supply_ok)
        if index in self.block.registers.signed:
            m.d.comb += [
                layer.trusted.eq(getattr(registers, f"trusted{index}")),
                getattr(registers, f"validity{index}").eq(layer.validity),
            ]
        for name, member in layer_side(1).items():
            here: Any = getattr(registers, f"{name}{index}")
            if name != "host":
                m.d.comb += getattr(layer, name).eq(here) if member.flow is Flow.Out else here.eq(getattr(layer, name))

    def _idle(self, m: Module, registers: Any, packets: Any, results: Any) -> None:
        """Say when nothing is under way: from the first beat of a packet to the last beat of its result."""
        begun = Signal()  # a packet has begun and not ended
        images = Signal(16)  # packets that have ended, and whose results have not left
        with m.If(packets.axis.tvalid & packets.axis.tready):
            m.d.sync += begun.eq(~packets.axis.tlast)
        ended = packets.axis.tvalid & packets.axis.tready & packets.axis.tlast
        m.d.sync += images.eq(images + ended - registers.image_out - packets.wrong)
        waiting = packets.axis.tvalid | begun | (images != 0) | results.axis.tvalid
        m.d.sync += self.idle.eq(~waiting & registers.resting)

    def _zigzag(self, m: Module, before: Any, layer: Any) -> None:
        """Two layers in one pass: each step of the one is a row that the other reads, in the other's pace."""
        m.d.comb += [
            before.timing.eq(layer.steady),
            before.go.eq(layer.go),
            layer.start.eq(before.start),
            layer.i.valid.eq(before.fired),
            layer.i.payload.eq(before.fire),
        ]

    def _whiten(self, m: Module, platform: Any, entropy: Any) -> None:
        """Random words from the raw bits outside."""
        whitener = place(m, platform, "whitener", Whitener(self.block.raw_sources, len(entropy.payload)))
        for index, raw in enumerate(whitener.raw):
            m.d.comb += [
                raw.payload.eq(getattr(self, f"s_raw{index}_tdata")),
                raw.valid.eq(getattr(self, f"s_raw{index}_tvalid")),
                getattr(self, f"s_raw{index}_tready").eq(raw.ready),
            ]
        connect(m, whitener.o, entropy)

    def _expose(self, m: Module, prefix: str, inside: Any) -> None:
        """Join an interface to the top-level ports of its name."""
        for name, member in inside.signature.members.items():
            port: Signal = getattr(self, f"{prefix}_{name}")
            # The signature is the child's as its neighbours see it: an Out is driven inside.
            driven_inside = member.flow is Flow.Out
            m.d.comb += port.eq(getattr(inside, name)) if driven_inside else getattr(inside, name).eq(port)
