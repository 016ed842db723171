"""`Plan`: everything about the arrays that is not in the network: size, emulation, each layer's dataflow and lanes."""

from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias, get_args

from model.errors import HafnetError, short
from model.given import described, integer, sequence
from model.mapping import P2S, S2P, Dataflow, Geometry, LayerMap, offset_width, threshold_width
from model.topology import AveragePool, Convolution, Dense, MaxPool, Topology

POOLING = (MaxPool, AveragePool)

Fidelity: TypeAlias = Literal["bits", "devices", "noisy"]
"""What the emulation of an array knows of its cells: a weight; the states of two devices; and that reads may err."""


@dataclass(frozen=True)
class LayerPlan:
    """How a layer of neurons is read: its dataflow, and how many rows of its matrix at once.

    Raises HafnetError for an unknown dataflow, and for lanes that are no integer of at least 1.
    """

    dataflow: Dataflow = P2S
    lanes: int = 1

    def __post_init__(self) -> None:
        if self.dataflow not in (P2S, S2P):
            raise HafnetError(f"dataflow {short(self.dataflow)} is neither {P2S} nor {S2P}")
        object.__setattr__(self, "lanes", integer("the number of lanes", self.lanes))
        if self.lanes < 1:
            raise HafnetError(f"{self.lanes} lanes are not possible, at least 1 is needed")


@dataclass(frozen=True)
class Plan:
    """The arrays' geometry, and a `LayerPlan` for each layer of a topology, in order (that of a pooling layer says
    nothing). No layers: each layer one neuron at a time. `numbers_in_arrays`: thresholds and offsets live in rows of
    the arrays themselves, and not in memories of images of their own. `fidelity`: what the emulations of the arrays
    know of their cells, and so which images they load. Raises HafnetError for an unknown fidelity.
    """

    geometry: Geometry = field(default_factory=Geometry)
    layers: tuple[LayerPlan, ...] = ()
    numbers_in_arrays: bool = False
    fidelity: Fidelity = "bits"

    def __post_init__(self) -> None:
        if self.fidelity not in get_args(Fidelity):
            raise HafnetError(f"fidelity {short(self.fidelity)} is not one of {', '.join(get_args(Fidelity))}")
        if not isinstance(self.geometry, Geometry):
            raise HafnetError(f"the geometry of a plan is {described(self.geometry)}, but must be a Geometry")
        object.__setattr__(self, "layers", sequence("the layers of a plan", self.layers, LayerPlan, "LayerPlan"))

    def of(self, topology: Topology) -> "Plan":
        """The plan with a `LayerPlan` for each layer of `topology`, that of all pooling layers alike.

        Raises HafnetError where it is not one for it.
        """
        layers = zip(topology.layers, self._layers(topology), strict=True)
        none = LayerPlan()
        plan = replace(self, layers=tuple(none if isinstance(shape, POOLING) else each for shape, each in layers))
        plan.maps(topology)
        return plan

    def zigzag(self, topology: Topology, index: int) -> bool:
        """Whether layer `index` reads parallel_to_sequential and the next one sequential_to_parallel in as many lanes,
        both dense: then the one takes the neurons of the other as they come, and nothing is buffered between them.
        """
        if not 0 <= index < len(topology.layers) - 1:
            return False
        shapes, plans = topology.layers[index : index + 2], self._layers(topology)[index : index + 2]
        return (
            all(isinstance(shape, Dense) for shape in shapes)
            and [plan.dataflow for plan in plans] == [P2S, S2P]
            and plans[0].lanes == plans[1].lanes
        )

    def maps(self, topology: Topology) -> tuple[LayerMap | None, ...]:
        """The arrays of each layer; None for pooling layers.

        Raises HafnetError, naming the layer, where the plan is not one for `topology`.
        """
        layers = self._layers(topology)
        return tuple(
            layer_map(topology, index, self.geometry, layers[index], self.numbers_in_arrays)
            for index in range(len(topology.layers))
        )

    def _layers(self, topology: Topology) -> tuple[LayerPlan, ...]:
        layers = self.layers or (LayerPlan(),) * len(topology.layers)
        if len(layers) != len(topology.layers):
            raise HafnetError(
                f"a plan for {len(layers)} layers does not fit {topology}, which has {len(topology.layers)}"
            )
        return layers


def difference(one: Plan, other: Plan) -> str:
    """What differs first between two plans for the same topology that are not equal."""
    if one.geometry != other.geometry:
        return f"arrays of {one.geometry} and of {other.geometry}"
    if one.numbers_in_arrays != other.numbers_in_arrays:
        return "the numbers of one are in its arrays, those of the other are not"
    if one.fidelity != other.fidelity:
        return f"emulations of fidelity {one.fidelity!r} and {other.fidelity!r}"
    if len(one.layers) != len(other.layers):
        return f"{len(one.layers)} layers and {len(other.layers)}"
    layers = enumerate(zip(one.layers, other.layers, strict=True))
    index, (here, there) = next((index, pair) for index, pair in layers if pair[0] != pair[1])
    return f"layer {index} is {here.dataflow} in {here.lanes} lanes and {there.dataflow} in {there.lanes}"


def layer_map(
    topology: Topology, index: int, geometry: Geometry, plan: LayerPlan, numbers_in_arrays: bool
) -> LayerMap | None:
    """The arrays of one layer; see `Plan.maps`."""
    shape, number_bits = topology.layers[index], 0
    if not isinstance(shape, Dense | Convolution):
        return None
    if numbers_in_arrays:
        top = topology.top(index)
        number_bits = offset_width(top) if index == len(topology.layers) - 1 else threshold_width(top)
    try:
        if isinstance(shape, Convolution) and shape.groups > 1:
            check_groups(shape, plan)
        return LayerMap(shape.fan_in, shape.fan_out, geometry, plan.dataflow, plan.lanes, shape.ternary, number_bits)
    except HafnetError as error:
        raise HafnetError(f"layer {topology.names[index]!r}: {error}") from None


def check_groups(shape: Convolution, plan: LayerPlan) -> None:
    """Raise HafnetError where a grouped convolution cannot be read so: all lanes of a step must belong to one group, or
    be all those of some groups, and every step be of the same kind.
    """
    if plan.dataflow == S2P:
        raise HafnetError(f"{shape.groups} groups cannot be read sequential_to_parallel, only parallel_to_sequential")
    neurons = shape.channels // shape.groups
    whole = plan.lanes % neurons == 0 and shape.groups % (plan.lanes // neurons) == 0
    if neurons % plan.lanes and not whole:
        raise HafnetError(
            f"{plan.lanes} lanes do not fit {shape.groups} groups of {neurons} channels: they must divide {neurons} "
            f"or be {neurons} times a divisor of {shape.groups}"
        )
