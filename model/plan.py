"""`Plan`: everything about the arrays that is not in the network: their size, and each layer's dataflow and lanes."""

from dataclasses import dataclass, field

from model.encoding import integer
from model.errors import HafnetError
from model.mapping import P2S, S2P, Dataflow, Geometry, LayerMap
from model.topology import Convolution, Dense, Topology


@dataclass(frozen=True)
class LayerPlan:
    """How a layer of neurons is read: its dataflow, and how many rows of its matrix at once.

    Raises HafnetError for an unknown dataflow, and for lanes that are no integer of at least 1.
    """

    dataflow: Dataflow = P2S
    lanes: int = 1

    def __post_init__(self) -> None:
        if self.dataflow not in (P2S, S2P):
            raise HafnetError(f"dataflow {self.dataflow!r} is neither {P2S} nor {S2P}")
        object.__setattr__(self, "lanes", integer("the number of lanes", self.lanes))
        if self.lanes < 1:
            raise HafnetError(f"{self.lanes} lanes are not possible, at least 1 is needed")


@dataclass(frozen=True)
class Plan:
    """The arrays' geometry, and a `LayerPlan` for each layer of a topology, in order (that of a pooling layer says
    nothing). No layers: each layer one neuron at a time.
    """

    geometry: Geometry = field(default_factory=Geometry)
    layers: tuple[LayerPlan, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(self.layers))

    def of(self, topology: Topology) -> "Plan":
        """The plan with a `LayerPlan` for each layer of `topology`. Raises HafnetError where it is not one for it."""
        plan = Plan(self.geometry, self._layers(topology))
        plan.maps(topology)
        return plan

    def maps(self, topology: Topology) -> tuple[LayerMap | None, ...]:
        """The arrays of each layer; None for pooling layers.

        Raises HafnetError, naming the layer, where the plan is not one for `topology`.
        """
        found: list[LayerMap | None] = []
        for name, shape, plan in zip(topology.names, topology.layers, self._layers(topology), strict=True):
            if not isinstance(shape, Dense | Convolution):
                found.append(None)
                continue
            try:
                if isinstance(shape, Convolution) and shape.groups > 1:
                    check_groups(shape, plan)
                grid = LayerMap(shape.fan_in, shape.fan_out, self.geometry, plan.dataflow, plan.lanes, shape.ternary)
            except HafnetError as error:
                raise HafnetError(f"layer {name!r}: {error}") from None
            found.append(grid)
        return tuple(found)

    def _layers(self, topology: Topology) -> tuple[LayerPlan, ...]:
        layers = self.layers or (LayerPlan(),) * len(topology.layers)
        if len(layers) != len(topology.layers):
            raise HafnetError(
                f"a plan for {len(layers)} layers does not fit {topology}, which has {len(topology.layers)}"
            )
        return layers


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
