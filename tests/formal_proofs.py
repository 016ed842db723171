"""What is proven: which claims on which blocks, and how deep."""

from dataclasses import dataclass, replace
from typing import Any

import pytest
from formal_arrays import CountClaims, LayerClaims
from formal_controller import ControllerClaims
from formal_dense import DenseClaims
from formal_ranking import RankingClaims
from formal_streams import CollectorClaims, GridClaims
from formal_unlock import UnlockClaims
from formal_writes import WriteClaims

from hdl.arrays.columns import Columns
from hdl.arrays.controller import ArrayController, Limits
from hdl.arrays.grid import Grid
from hdl.arrays.group import Group
from hdl.arrays.reserve import Reserve
from hdl.arrays.tile import Tile
from hdl.layers.collector import Collector
from hdl.layers.dense import Dense
from hdl.layers.ranking import Ranking
from hdl.programming import LayerSize
from hdl.registers import HostRegisters, Timing
from model.topology import Presentations
from sim.formal import Claims, kinds_of


@dataclass(frozen=True)
class Proof:
    """Claims on a block; `depth` is that of the induction, `reach` the cycles in which its covers are reached."""

    claims: type[Any]  # of Claims, made of a block
    block: Any
    depth: int
    reach: int

    def __str__(self) -> str:
        return f"{self.claims.__name__}-{self.block.name}"

    def create(self) -> Claims:
        claims: Claims = self.claims(self.block)
        return claims

    def claimed(self) -> set[str]:
        """What is claimed, without the lemmas."""
        kinds = kinds_of(self.create())
        return {name for name, kind in kinds.items() if kind == "assert" and not name.startswith("lemma: ")}


ONE_DEVICE = Limits(longest_pulse=3, pulsed_at_once=1)
SEQUENTIAL = Columns(4, 3, 2, 2, 1, Presentations(1, halving=False), False, "thresholds", 8, limits=ONE_DEVICE)
CONTROLLER = Proof(ControllerClaims, ArrayController(2, 2, 2, 3, limits=Limits(3, 2)), 2, 19)
SPARES = Proof(ControllerClaims, ArrayController(1, 2, 3, 2, limits=Limits(3, 1), spares=2), 2, 19)
LAYER = Proof(LayerClaims, Grid(4, 3, 2, 2, "thresholds", 8, limits=ONE_DEVICE), 2, 5)
SPARE_ROWS = Reserve(1, entries=2)
SPARE_LAYER = Proof(LayerClaims, Grid(4, 3, 3, 2, "thresholds", 8, limits=ONE_DEVICE, reserve=SPARE_ROWS), 2, 9)
COLUMNS = Proof(LayerClaims, SEQUENTIAL, 2, 6)
TILE = Proof(CountClaims, Tile(2, 3, 2), 3, 5)
TERNARY_TILE = Proof(CountClaims, Tile(2, 3, 2, ternary=True), 3, 5)
GROUP = Proof(CountClaims, Group(3, 2, 2), 4, 6)
REGISTERS = Proof(
    UnlockClaims, HostRegisters(2, 2, 2, 2, (LayerSize(1, 2, 1, 2), LayerSize(1, 1, 1, 2, True)), 4, Timing()), 2, 12
)
WRITES = Proof(WriteClaims, REGISTERS.block, 2, 6)
COLLECTOR = Proof(CollectorClaims, Collector(3, 2), 2, 10)
GRID = Proof(GridClaims, Grid(4, 3, 2, 2, "thresholds", 8), 4, 12)
DENSE = Proof(DenseClaims, Dense(Grid(2, 3, 2, 2, "thresholds", 8)), 6, 16)
ARGMAX = Proof(RankingClaims, Ranking(4, 3), 2, 8)
RANKING = Proof(RankingClaims, Ranking(5, 2, 2, 3), 3, 9)
PROOFS = (
    CONTROLLER,
    SPARES,
    LAYER,
    SPARE_LAYER,
    COLUMNS,
    TILE,
    TERNARY_TILE,
    GROUP,
    REGISTERS,
    WRITES,
    COLLECTOR,
    GRID,
    DENSE,
    ARGMAX,
    RANKING,
)
MORE_PROOFS = (
    Proof(UnlockClaims, replace(REGISTERS.block, rows=4, reserve=Reserve(1, signed=True, entries=2)), 2, 12),
    Proof(ControllerClaims, ArrayController(1, 1, 1, 1), 2, 19),
    Proof(ControllerClaims, ArrayController(3, 2, 4, 5, ternary=True, limits=Limits(5, 2)), 2, 19),
    Proof(LayerClaims, Grid(4, 3, 2, 2, "thresholds", 8, lanes=2, ternary=True), 2, 5),
    Proof(LayerClaims, Grid(2, 2, 2, 2, "thresholds", 8, numbers_in_arrays=True), 2, 16),
    Proof(LayerClaims, replace(SEQUENTIAL, rows=3, reserve=SPARE_ROWS), 2, 10),
    Proof(CountClaims, Group(5, 4, 2, ternary=True), 4, 6),
    Proof(CollectorClaims, Collector(2, 1), 2, 8),
    Proof(CollectorClaims, Collector(7, 3), 2, 20),
    Proof(GridClaims, Grid(2, 5, 4, 2, "offsets", 8), 4, 16),
    Proof(DenseClaims, Dense(Grid(3, 5, 3, 4, "thresholds", 8)), 6, 20),
    Proof(DenseClaims, Dense(Grid(2, 3, 2, 2, "thresholds", 8, ternary=True)), 6, 16),
    Proof(RankingClaims, Ranking(3, 2, 3, 3), 4, 8),
    Proof(RankingClaims, Ranking(5, 3, 3, 1), 4, 10),
)


def each(quick: tuple[Any, ...], slow: tuple[Any, ...] = ()) -> list[Any]:
    """Parameters of a test: the quick ones in every run, the slow ones where all tests are run."""
    chosen = [pytest.param(one, id=str(one)) for one in quick]
    return chosen + [pytest.param(one, id=str(one), marks=pytest.mark.slow) for one in slow]
