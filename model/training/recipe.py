"""`Recipe`: everything that decides what training makes, and `train`, which follows it."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor
from torch.nn.functional import cross_entropy

from model.campaign.engine import one_core
from model.encoding import FixedPoint, Thermometer
from model.errors import HafnetError
from model.given import integer, real, sequence
from model.network import Network, Origin
from model.samples import Integers, Samples
from model.topology import BitInput, PlaneInput, Topology
from model.training.datasets import DataSet
from model.training.fold import fold
from model.training.module import BinaryNetwork, TrainableEncoding, check_trainable

EVALUATION_BATCH = 4096
EVALUATION_VALUES = 2**24
"""What a layer sees of a batch at most, as many samples as have no more, but at least one."""


@dataclass(frozen=True)
class Recipe:
    """What to train and how; the defaults are the recipe for the bundled digits.

    Members: `hidden`, the fan-out of each hidden layer; `levels`, thermometer levels per input value; `epochs`;
    `batch`, samples a step; `learning_rate`, of Adam, falling to 0 along half a cosine; `smoothing`, label smoothing;
    `noise`, the deviation of the Gaussian noise added to the values while training, as a share of their range, 0 for
    none; `seed`; `error_rate`, the probability with which each weight is flipped in a forward pass while training, for
    hardware that errs so often; `topology`, the text of a network (`model.topology_text`) in place of `hidden` and
    `levels`. Raises HafnetError where a member breaks its rule.

    Bits of the input of a `topology` are a thermometer's: of as many levels as each value has bits, so that 8x8x4 has 4
    of each of 64 values. Codes are of values from 0 on or, where some are negative, in two's complement.
    """

    hidden: tuple[int, ...] = (96, 96)
    levels: int = 4
    epochs: int = 150
    batch: int = 64
    learning_rate: float = 0.01
    smoothing: float = 0.1
    noise: float = 0.1875
    seed: int = 0
    error_rate: float = 0.0
    topology: str | None = None

    def __post_init__(self) -> None:
        hidden: tuple[Any, ...] = sequence("recipe: hidden", self.hidden, object, "integers")
        object.__setattr__(self, "hidden", tuple(integer("recipe: a hidden layer", each) for each in hidden))
        for member in ("levels", "epochs", "batch", "seed"):
            object.__setattr__(self, member, integer(f"recipe: {member}", getattr(self, member)))
        for member in ("learning_rate", "smoothing", "noise", "error_rate"):
            object.__setattr__(self, member, real(f"recipe: {member}", getattr(self, member)))
        for name, value, low in (
            *((f"hidden layer {index} of", fan_out, 1) for index, fan_out in enumerate(self.hidden)),
            ("levels", self.levels, 1),
            ("epochs", self.epochs, 1),
            ("batch", self.batch, 2),  # batch norm has no variance to learn from one sample
            ("seed", self.seed, 0),
        ):
            if value < low:
                raise HafnetError(f"recipe: {name} {value} is not possible, the least is {low}")
        if not 0 < self.learning_rate <= 1:
            raise HafnetError(f"recipe: learning rate {self.learning_rate} is not above 0 and at most 1")
        if not 0 <= self.smoothing < 1:
            raise HafnetError(f"recipe: smoothing {self.smoothing} is not from 0 to below 1")
        if not 0 <= self.noise <= 1:
            raise HafnetError(f"recipe: noise {self.noise} is not from 0 to 1")
        if not 0 <= self.error_rate <= 1:
            raise HafnetError(f"recipe: error rate {self.error_rate} is not from 0 to 1")
        if self.topology is not None:
            check_trainable(Topology.parse(self.topology))
        if self.seed >= 2**63:
            raise HafnetError(f"recipe: seed {self.seed} does not fit in 63 bits")

    def __str__(self) -> str:
        layers = self.topology or ("-".join(map(str, self.hidden)) or "no hidden layer") + f", levels {self.levels}"
        return (
            f"{layers}, epochs {self.epochs}, batch {self.batch}, "
            f"learning rate {self.learning_rate:g}, smoothing {self.smoothing:g}, noise {self.noise:g}"
            + (f", error rate {self.error_rate:g}" if self.error_rate else "")
        )


@dataclass(frozen=True)
class Epoch:
    """How training stands: the `number` of the epoch, from 1, and its mean `loss` and `accuracy` on what it trained."""

    number: int
    loss: float
    accuracy: float


@dataclass(frozen=True)
class Trained:
    """What training leaves: the folded `network`, the `torch_module` it was folded from (in evaluation mode), the
    `accuracy` of the module on the test samples after the last epoch (0 … 1), and the `history` of all epochs.
    """

    network: Network
    torch_module: BinaryNetwork
    accuracy: float
    history: tuple[Epoch, ...]


def choose_levels(values: Integers, count: int) -> tuple[int, ...]:
    """`count` thermometer levels, equally spaced within the range of the values, each rounded up to an integer.

    They rise strictly. Raises HafnetError where there are not more distinct values than levels.
    """
    distinct = len(np.unique(values))
    if distinct <= count:
        raise HafnetError(
            f"{count} levels need at least {count + 1} distinct input values, but the data have {distinct}"
        )
    low, high = int(values.min()), int(values.max())
    return tuple(low - (low - high) * (index + 1) // (count + 1) for index in range(count))


def choose_topology(data: DataSet, recipe: Recipe) -> Topology:
    """That of the recipe. Raises HafnetError where it has not one output for each class."""
    if recipe.topology is None:
        bits = data.train.values.shape[1] * recipe.levels
        return Topology.dense((bits, *recipe.hidden, data.classes))
    topology = Topology.parse(recipe.topology)
    if topology.output.fan_out != data.classes:
        raise HafnetError(
            f"shape '{topology}' ends with {topology.output.fan_out} classes, but data set {data.name!r} has "
            f"{data.classes}"
        )
    return topology


def choose_encoding(data: DataSet, topology: Topology) -> TrainableEncoding:
    """What makes the topology's input of the data. Raises HafnetError where the number or the range of values does not
    fit.
    """
    values, given = data.train.values.shape[1], topology.input
    if isinstance(given, BitInput) and given.width % values == 0:
        return Thermometer(values, choose_levels(data.train.values, given.width // values))
    if given.width != values:
        takes = f"{given.width} bits, no multiple of that" if isinstance(given, BitInput) else f"{given.width} values"
        raise HafnetError(
            f"samples of data set {data.name!r} have {values} values, but shape '{topology}' takes {takes}"
        )
    assert isinstance(given, PlaneInput)  # check_trainable refuses others
    ends = [int(end) for part in (data.train, data.test) for end in (part.values.min(), part.values.max())]
    encoding = FixedPoint(values, given.depth, 0 if min(ends) >= 0 else -(2 ** (given.depth - 1)), given.planes)
    low, high = encoding.range
    if min(ends) < low or max(ends) > high:
        raise HafnetError(
            f"values of data set {data.name!r} reach from {min(ends)} to {max(ends)}, but codes of {given.depth} bits "
            f"from {low} to {high}"
        )
    return encoding


def pick_device(name: str | None) -> torch.device:
    """The device called `name`, by default a GPU where there is one. Raises HafnetError where it is not there."""
    if name not in (None, "cpu", "cuda"):
        raise HafnetError(f"device {name!r} is not known: it must be cpu or cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise HafnetError("device 'cuda' is asked for, but this torch finds no GPU")
    return torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))


@contextmanager
def progress_bar(epochs: int, console: Console | None = None) -> Iterator[Callable[[Epoch], None]]:
    """A bar on `console` with epoch, loss and accuracy, to be given to `train` as its `progress`."""
    columns = (
        TextColumn("training"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.description}", markup=False),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=epochs)

        def report(epoch: Epoch) -> None:
            text = f"loss {epoch.loss:.3f}, accuracy {epoch.accuracy:.1%}"
            bar.update(task, completed=epoch.number, description=text)

        yield report


# Sums are taken in the same order on machines of any number of cores, and nothing stalls where the cores are shared (a
# step of a small network is far shorter than a turn of the scheduler).
@one_core()
def train(
    data: DataSet, recipe: Recipe, device: str | None = None, progress: Callable[[Epoch], None] | None = None
) -> Trained:
    """Train on `data.train` as the recipe says, fold, and measure accuracy on `data.test`.

    `device` is "cpu", "cuda" or None for a GPU where there is one; `progress` is called after every epoch. The network
    of the last epoch is the result: the test samples choose nothing. On the CPU, of which one core is used, the same
    data and recipe give the same network. Raises HafnetError where recipe, data and device do not fit together.
    """
    target = pick_device(device)
    if len(data.train) < 2:
        raise HafnetError(f"data set {data.name!r}: batch norm cannot learn from {len(data.train)} training sample")
    topology = choose_topology(data, recipe)
    generator = torch.Generator().manual_seed(recipe.seed)
    module = BinaryNetwork(choose_encoding(data, topology), topology, generator, recipe.error_rate).to(target)
    values, labels = _values(data.train, target), _labels(data.train, target)
    deviation = recipe.noise * (float(values.max()) - float(values.min()))
    optimizer = torch.optim.Adam(module.parameters(), lr=recipe.learning_rate)
    steps = recipe.epochs * max(1, len(labels) // recipe.batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    history = []
    for number in range(1, recipe.epochs + 1):
        loss_sum, correct, seen = torch.zeros((), device=target), torch.zeros((), device=target), 0
        for chosen in _batches(len(labels), recipe.batch, generator):
            shown, wanted = values[chosen.to(target)], labels[chosen.to(target)]
            noise = torch.randn(shown.shape, generator=generator).to(target) * deviation
            loss, hits = _step(module, optimizer, module.encode(shown + noise), wanted, recipe.smoothing)
            schedule.step()
            loss_sum, correct, seen = loss_sum + loss * len(wanted), correct + hits, seen + len(wanted)
        history.append(Epoch(number, float(loss_sum) / seen, float(correct) / seen))
        if progress is not None:
            progress(history[-1])
    module.eval()
    accuracy = float(np.mean(classify(module, data.test) == data.test.labels))
    origin: Origin = {
        "recipe": str(recipe),
        "data": data.name,
        "seed": recipe.seed,
        "accuracy": accuracy,
        "epochs": recipe.epochs,
        "torch": str(torch.__version__),
    }
    return Trained(fold(module, origin), module, accuracy, tuple(history))


def _step(
    module: BinaryNetwork, optimizer: torch.optim.Optimizer, inputs: Tensor, wanted: Tensor, smoothing: float
) -> tuple[Tensor, Tensor]:
    """One step of the optimizer; the mean loss and the number of samples that were right before it."""
    logits = module(inputs)
    loss = cross_entropy(logits, wanted, label_smoothing=smoothing)
    optimizer.zero_grad()
    torch.autograd.backward(loss)
    optimizer.step()
    module.clip()
    return loss.detach(), (logits.argmax(1) == wanted).sum()


@torch.no_grad()
def classify(module: BinaryNetwork, samples: Samples) -> Integers:
    """The class of each sample, as the torch network in its present mode sees it; the lowest index wins a tie."""
    device, each = module.levels.device, max(weights.elements for weights in module.weights)
    size = min(EVALUATION_BATCH, max(1, EVALUATION_VALUES // each))
    values = _values(samples, torch.device("cpu"))
    parts = [module(module.encode(part.to(device).int())).argmax(1).cpu() for part in torch.split(values, size)]
    classes: Integers = torch.cat(parts).numpy()
    return classes


def _values(samples: Samples, device: torch.device) -> Tensor:
    """As bytes where they are: images in 32 bits would take four times the memory."""
    small = samples.values.dtype == np.uint8
    return torch.from_numpy(samples.values.astype(np.uint8 if small else np.int32)).to(device)


def _labels(samples: Samples, device: torch.device) -> Tensor:
    assert samples.labels is not None  # a DataSet is labelled
    return torch.from_numpy(samples.labels.astype(np.int64)).to(device)


def _batches(count: int, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """All samples in a new order, in whole batches; the few left over wait for another epoch's order."""
    order = torch.randperm(count, generator=generator)
    size = min(size, count)
    return itertools.islice(torch.split(order, size), count // size)
