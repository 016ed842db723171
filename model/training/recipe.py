"""`Recipe`: everything that decides what training makes, and `train`, which follows it."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor
from torch.nn.functional import cross_entropy

from model.encoding import Thermometer
from model.errors import HafnetError
from model.network import Network, Origin
from model.samples import Integers, Samples
from model.training.datasets import DataSet
from model.training.fold import fold
from model.training.layers import BinaryNetwork

EVALUATION_BATCH = 4096


@dataclass(frozen=True)
class Recipe:
    """What to train and how; the defaults are the recipe for the bundled digits.

    Members: `hidden`, the fan-out of each hidden layer; `levels`, thermometer levels per input value; `epochs`;
    `batch`, samples a step; `learning_rate`, of Adam, falling to 0 along half a cosine; `smoothing`, label smoothing;
    `noise`, the deviation of the Gaussian noise added to the values while training, as a share of their range, 0 for
    none; `seed`; `error_rate`, the probability with which each weight is flipped in a forward pass while training, for
    hardware that errs so often. Raises HafnetError where a member breaks its rule.
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

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden", tuple(self.hidden))
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
        if self.seed >= 2**63:
            raise HafnetError(f"recipe: seed {self.seed} does not fit in 63 bits")

    def __str__(self) -> str:
        layers = "-".join(map(str, self.hidden)) or "no hidden layer"
        return (
            f"{layers}, levels {self.levels}, epochs {self.epochs}, batch {self.batch}, "
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
        TextColumn("{task.description}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=epochs)

        def report(epoch: Epoch) -> None:
            text = f"loss {epoch.loss:.3f}, accuracy {epoch.accuracy:.1%}"
            bar.update(task, completed=epoch.number, description=text)

        yield report


@contextmanager
def _one_thread() -> Iterator[None]:
    """One core for torch: sums are taken in the same order on machines of any number of cores, and nothing stalls where
    the cores are shared (a step of a small network is far shorter than a turn of the scheduler).
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@_one_thread()
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
    encoding = Thermometer(data.train.values.shape[1], choose_levels(data.train.values, recipe.levels))
    generator = torch.Generator().manual_seed(recipe.seed)
    module = BinaryNetwork(encoding, recipe.hidden, data.classes, generator, recipe.error_rate).to(target)
    values, labels = _values(data.train, target), _labels(data.train, target)
    deviation = recipe.noise * float(values.max() - values.min())
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
    values = _values(samples, module.levels.device)
    parts = [module(module.encode(part)).argmax(1).cpu() for part in torch.split(values, EVALUATION_BATCH)]
    classes: Integers = torch.cat(parts).numpy()
    return classes


def _values(samples: Samples, device: torch.device) -> Tensor:
    return torch.from_numpy(samples.values.astype(np.int32)).to(device)


def _labels(samples: Samples, device: torch.device) -> Tensor:
    assert samples.labels is not None  # a DataSet is labelled
    return torch.from_numpy(samples.labels.astype(np.int64)).to(device)


def _batches(count: int, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """All samples in a new order, in whole batches; the few left over wait for another epoch's order."""
    order = torch.randperm(count, generator=generator)
    size = min(size, count)
    return itertools.islice(torch.split(order, size), count // size)
