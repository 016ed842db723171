"""What a plan does in an inference, and in programming, counted exactly: the events of `model.device.energy.Activity`.

Of an inference, for each layer of neurons, all of its presentations and positions together: `rows`, word lines raised,
each in one array; `reads`, sense amplifiers that decided, one a column of such a row, be its cell used or not; `xnors`,
those of them that are a weight's, fan-in × fan-out; `popcount_bits`, the bits that columns in use add to a popcount,
two for a ternary cell, those of lanes without a neuron included; `thresholds`, popcounts that meet a threshold, or, in
the output layer, an offset. Pooling layers read nothing. Registers, memories and the clock depend on what passes, and
are counted in the RTL (`sim.activity`).
"""

import dataclasses

from model import images
from model.device.energy import Activity
from model.mapping import LayerMap
from model.network import Network
from model.plan import Plan
from model.topology import Convolution, Dense, Topology, Weighted


def inference(topology: Topology, plan: Plan) -> Activity:
    """One inference. Raises HafnetError where the plan is not one for `topology`."""
    return sum(by_layer(topology, plan).values(), Activity(inferences=1))


def by_layer(topology: Topology, plan: Plan) -> dict[str, Activity]:
    """What each layer does in one inference, by name; `inferences` is 0 in all of them. Raises as `inference` does."""
    counted = {}
    for index, grid in enumerate(plan.maps(topology)):
        shape, activity = topology.layers[index], Activity()
        if isinstance(shape, Dense | Convolution):
            assert grid is not None  # a layer of neurons has arrays
            activity = _layer(shape, grid, topology.presentations[index].count)
        counted[topology.names[index]] = activity
    return counted


def _layer(shape: Weighted, grid: LayerMap, presentations: int) -> Activity:
    times = presentations * shape.positions
    read = sum(map(grid.rows_read, range(grid.groups)))  # rows of whole groups, in one presentation
    rows = read * grid.tiles * times
    rails = 2 if grid.ternary else 1
    return Activity(
        rows=rows,
        reads=rows * grid.geometry.columns,
        xnors=shape.fan_in * shape.fan_out * times,
        popcount_bits=read * grid.matrix_columns * rails * times,
        thresholds=shape.fan_out * shape.positions,
    )


def programming(network: Network, plan: Plan, again: bool = False) -> Activity:
    """What the controller does to devices that obey its first pulse: `forms`, `sets`, `resets`, devices pulsed, and the
    `rows` and `reads` of its verify reads.

    FORM_ROW for each row of an array, the signature's first, then PROGRAM_ARRAY, with the configuration after reset:
    trains of one pulse, all columns of a row pulsed, padding included, one verify read
    (`hdl.arrays.programmer.Programmer`). FORM proves that each device can be both: each is formed, set and reset.
    `again`: the arrays are formed and hold another network, so that nothing is formed. Raises HafnetError where the
    plan is not one for the network.
    """
    total = Activity()
    for index, grid in enumerate(plan.maps(network.topology)):
        if grid is None:
            continue
        arrays, columns, used = grid.arrays, grid.geometry.columns, grid.geometry.used_rows
        devices = 2 * columns * used * arrays
        sets = int(images.array_bits(network, plan, index)[:, :, :used].sum()) if grid.ternary else devices // 2
        total += Activity(sets=sets, resets=devices - sets, rows=used * arrays)
        if not again:
            rows = grid.geometry.rows * arrays
            each = 2 * columns * rows
            total += Activity(forms=each, sets=each, resets=each, rows=2 * rows)
        if grid.geometry.signature:
            sets, resets, rows = _signature(grid, again)
            total += Activity(sets=sets * arrays, resets=resets * arrays, rows=rows * arrays)
    return dataclasses.replace(total, reads=total.rows * plan.geometry.columns)


def _signature(grid: LayerMap, again: bool) -> tuple[int, int, int]:
    """What becomes of the signature of an array that is formed: devices set and reset, and reads. Each command that
    pulses another row reads it first, and the first one makes it INVALID; when all is programmed, it is made VALID.
    """
    signatures, columns = grid.signatures, grid.geometry.columns
    minus = ((1 << columns) - 1) << columns if grid.ternary else 0
    held, rows = (signatures.valid, 0) if again else (minus, grid.geometry.rows - 1)
    sets = resets = 0
    for word in (signatures.invalid, signatures.valid):
        wrong, held = held ^ word, word
        wrong = (wrong | wrong >> columns) & ((1 << columns) - 1)  # the columns, of which alone devices are pulsed
        sets += wrong.bit_count()  # no weight of a signature is 0
        resets += wrong.bit_count()
        rows += 1 + (wrong != 0)
    return sets, resets, rows
