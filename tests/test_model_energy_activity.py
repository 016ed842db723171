"""What golden counts: by hand, cell by cell on random plans, and pulse by pulse as the programmer's reference does."""

import random

import numpy as np
import pytest
from drawing import draw
from hypothesis import given
from hypothesis import strategies as st

from hdl.arrays.array import Operation
from hdl.arrays.host_access import LayerCommand
from hdl.programming import HostCommand
from model import images
from model.device.energy import Activity
from model.energy.activity import by_layer, inference, programming
from model.errors import HafnetError
from model.mapping import P2S, S2P, Cell, Geometry
from model.network import Network
from model.plan import LayerPlan, Plan
from model.random_network import random_network
from model.topology import Convolution, Dense, Topology
from sim.device_rows import Devices, Foretold
from sim.programmed import form_order

CONFIGURATION = {
    **dict.fromkeys(("form_amplitude", "set_amplitude", "reset_amplitude"), 255),
    **dict.fromkeys(("form_step", "set_step", "reset_step", "retries", "read_twice", "setup"), 0),
    **dict.fromkeys(("form_pulse", "set_pulse", "reset_pulse", "form_count", "set_count", "reset_count"), 1),
}


def test_by_hand() -> None:
    """40-20-9-5 on arrays of 8 x 16, a neuron a read: 20 x 3 + 9 x 2 + 5 x 1 word lines of 16 columns."""
    counted = by_layer(Topology.dense((40, 20, 9, 5)), Plan(Geometry(8, 16)))
    assert [each.rows for each in counted.values()] == [60, 18, 5]
    assert [each.reads for each in counted.values()] == [960, 288, 80]
    assert [each.popcount_bits for each in counted.values()] == [800, 180, 45]
    assert [each.thresholds for each in counted.values()] == [20, 9, 5]
    assert inference(Topology.dense((40, 20, 9, 5)), Plan(Geometry(8, 16))) == Activity(
        rows=83, reads=1328, xnors=1025, popcount_bits=1025, thresholds=34, inferences=1
    )


def test_lanes_that_do_not_come_out_even() -> None:
    """7 rows in 3 lanes are 3 reads: P2S reads 9 rows, and counts them all; S2P leaves out the lanes without input."""
    p2s = inference(Topology.dense((10, 7)), Plan(Geometry(4, 8), (LayerPlan(P2S, 3),)))
    assert (p2s.rows, p2s.popcount_bits, p2s.xnors, p2s.thresholds) == (18, 90, 70, 7)
    s2p = inference(Topology.dense((7, 10)), Plan(Geometry(4, 8), (LayerPlan(S2P, 3),)))
    assert (s2p.rows, s2p.popcount_bits, s2p.xnors, s2p.thresholds) == (14, 70, 70, 10)


def test_one_of_everything() -> None:
    """An array of one cell, and a fan-in of 1."""
    found = inference(Topology.dense((1, 1)), Plan(Geometry(1, 1)))
    assert found == Activity(rows=1, reads=1, xnors=1, popcount_bits=1, thresholds=1, inferences=1)


def test_positions_planes_ternary_cells_and_pools() -> None:
    """16 windows in 2 planes of 4 channels of 18 inputs; pooling reads nothing; a ternary cell counts two bits."""
    topology = Topology.parse("6x6x2b2-4c3-m2-3t")
    pooled, out = list(by_layer(topology, Plan(Geometry(8, 16))).values())[1:]
    first = by_layer(topology, Plan(Geometry(8, 16)))["layer0"]
    assert (first.rows, first.xnors, first.thresholds) == (16 * 2 * 4 * 2, 16 * 2 * 4 * 18, 16 * 4)
    assert pooled == Activity()
    assert (out.rows, out.xnors, out.popcount_bits) == (3, 3 * 16, 2 * 3 * 16)


@given(st.integers(0, 2**32 - 1))
def test_cell_by_cell(seed: int) -> None:
    """Every step of every plan, array by array: which rows are raised, which of their cells hold a weight."""
    accelerator = draw(np.random.default_rng(seed)).accelerator
    topology, plan = accelerator.topology, accelerator.plan
    counted = by_layer(topology, plan)
    for index, grid in enumerate(plan.maps(topology)):
        shape, found = topology.layers[index], counted[topology.names[index]]
        if grid is None:
            assert found == Activity()
            continue
        assert isinstance(shape, Dense | Convolution)
        rows = weights = columns = 0
        for step in range(grid.reads):
            block, row = divmod(step, grid.geometry.used_rows)
            for lane in range(grid.lanes):
                if grid.dataflow == S2P and step * grid.lanes + lane >= grid.fan_in:
                    continue
                for tile in range(grid.tiles):
                    rows += 1
                    columns += grid.used_columns(tile)
                    cells = (Cell(lane * grid.blocks + block, tile, row, c) for c in range(grid.geometry.columns))
                    weights += sum(grid.synapse(cell) is not None for cell in cells)
        times = topology.presentations[index].count * shape.positions
        assert found.rows == rows * times
        assert found.reads == rows * grid.geometry.columns * times
        assert found.xnors == weights * times
        assert found.popcount_bits == columns * (2 if grid.ternary else 1) * times
        assert found.thresholds == shape.fan_out * shape.positions


def pulsed(devices: Devices, command: HostCommand, place: tuple[int, int, int], word: int, first: bool) -> Activity:
    """What the programmer's reference does for a command on a row of devices that obey."""
    foretold = Foretold(devices, CONFIGURATION | {"verify_first": int(first)})
    assert foretold.run(command, place, word)
    total = Activity()
    for order in foretold.orders:
        if order.command is LayerCommand.READ_ROW:
            total += Activity(rows=1, reads=devices.columns)
            continue
        count = order.columns.bit_count()
        operation = Operation(dict(order.pulse)["operation"])
        name = {Operation.FORM: "forms", Operation.SET: "sets", Operation.RESET: "resets"}[operation]
        total += Activity(**{name: count})
    return total


def programmed(network: Network, plan: Plan, again: bool) -> Activity:
    """The host's commands one after the other: all rows formed, then each array programmed."""
    geometry, total = plan.geometry, Activity()
    for image in images.words(network, plan):
        if image.kind != "array":
            continue
        grid = plan.maps(network.topology)[image.layer]
        assert grid is not None
        devices, last = Devices(geometry.columns, grid.ternary, random.Random(1)), geometry.rows - 1
        signatures = grid.signatures

        def sign(word: int, devices: Devices = devices, last: int = last) -> Activity:
            return pulsed(devices, HostCommand.PROGRAM_ROW, (0, 0, last), word, first=True)

        for row in range(geometry.rows):
            devices.add((0, 0, row), pristine=not again)
        if again and geometry.signature:
            sign(signatures.valid)
        elif not again:
            for row in form_order(geometry):
                if geometry.signature and row != last:
                    total += sign(signatures.invalid)
                total += pulsed(devices, HostCommand.FORM_ROW, (0, 0, row), 0, first=False)
        total += sign(signatures.invalid) if geometry.signature else Activity()
        for row in range(geometry.used_rows):
            total += pulsed(devices, HostCommand.PROGRAM_ROW, (0, 0, row), image.words[row], first=False)
            assert devices.read((0, 0, row)) == image.words[row]
        total += sign(signatures.valid) if geometry.signature else Activity()
    return total


@pytest.mark.parametrize("again", [False, True], ids=["first", "again"])
@pytest.mark.parametrize(
    ("shape", "plan"),
    [
        ("10-7-3", Plan(Geometry(4, 8))),
        ("10-7t-3t", Plan(Geometry(4, 8))),
        ("10-7-3t", Plan(Geometry(5, 8, 1, True), numbers_in_arrays=True)),
        ("6-3", Plan(Geometry(3, 1, 0, True), (LayerPlan(S2P, 2),))),
        ("6-3t", Plan(Geometry(3, 1, 0, True))),
        ("4x4x2-3c2-m3-2", Plan(Geometry(1, 3), numbers_in_arrays=True)),
    ],
)
def test_pulses_are_those_of_the_programmer(shape: str, plan: Plan, again: bool) -> None:
    network = random_network(shape, seed=3)
    assert programming(network, plan, again) == programmed(network, plan, again)


def test_weights_decide_only_in_ternary_arrays() -> None:
    one, other = (random_network("12-9t-4", seed) for seed in (1, 2))
    assert programming(one, Plan()) != programming(other, Plan())
    one, other = (random_network("12-9-4", seed) for seed in (1, 2))
    assert programming(one, Plan()) == programming(other, Plan())


def test_a_plan_of_another_network_is_refused() -> None:
    with pytest.raises(HafnetError, match="a plan for 1 layers does not fit 10-7-3"):
        inference(Topology.dense((10, 7, 3)), Plan(Geometry(), (LayerPlan(),)))
