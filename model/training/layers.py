"""Binary layers in torch. In evaluation mode they compute exactly what the folded integers compute.

Training of networks with binary weights and activations: M. Courbariaux, I. Hubara, D. Soudry, R. El-Yaniv, Y. Bengio,
"Binarized Neural Networks: Training Deep Neural Networks with Weights and Activations Constrained to +1 or -1",
arXiv:1602.02830, 2016. Training with errors in the weights, so that a network is used to them: T. Hirtzlin, M. Bocquet,
J.-O. Klein, E. Nowak, E. Vianello, J.-M. Portal, D. Querlioz, "Outstanding Bit Error Tolerance of Resistive RAM-Based
Binarized Neural Networks", arXiv:1904.03652, 2019.
"""

import itertools
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from model.encoding import Thermometer

# Latent weights start near 0, where a few steps of Adam can still turn a sign.
SPREAD = 0.1


def binarize(values: Tensor) -> Tensor:
    """sign with sign(0) = +1; the gradient goes straight through where |value| <= 1 and is 0 elsewhere.

    Any shape; the result has the same shape and dtype and is exactly ±1.
    """
    straight = values.clamp(-1, 1)
    signs = torch.where(values >= 0, 1.0, -1.0).to(values.dtype)
    # x - x is exactly 0, so the value stays exactly ±1 and only the gradient of `straight` is added.
    return signs + (straight - straight.detach())


def round_straight(values: Tensor) -> Tensor:
    """Nearest integer (halves to even); the gradient goes straight through."""
    return values.round().detach() + (values - values.detach())


class BinaryLinear(nn.Module):
    """±1 dot products: (samples, fan_in) of ±1 to (samples, fan_out) of whole numbers -fan_in … fan_in.

    `weight` holds the latent weights, of which only the signs are used; `clip` keeps them within [-1, 1]. Float32 is
    exact here while fan_in < 2^24. While training, each weight is flipped with probability `error_rate`, anew in every
    forward pass and by the `generator`; the gradient goes to the latent weight as if it were not.
    """

    error_rate = 0.0

    def __init__(self, fan_in: int, fan_out: int, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.fan_in, self.fan_out, self.generator = fan_in, fan_out, generator
        self.weight = nn.Parameter(torch.empty(fan_out, fan_in).uniform_(-SPREAD, SPREAD, generator=generator))

    def forward(self, signs: Tensor) -> Tensor:
        weights = binarize(self.weight)
        if self.training and self.error_rate:
            hit = torch.rand(weights.shape, generator=self.generator).to(weights.device) < self.error_rate
            weights = weights - 2 * (hit * weights).detach()
        return nn.functional.linear(signs, weights)

    @torch.no_grad()
    def clip(self) -> None:
        self.weight.clamp_(-1, 1)


class FoldableNorm(nn.BatchNorm1d):
    """Batch norm whose evaluation is one scale and one shift a neuron, applied as two float64 operations.

    Each operation is rounded once and on its own, so the result is monotone in the input and the same for the same
    input however it is batched: folding can try every possible dot product and rely on what it sees. Evaluation
    returns float64, training the input's dtype.
    """

    def forward(self, dots: Tensor) -> Tensor:
        if self.training:
            return super().forward(dots)
        assert self.running_mean is not None  # tracked by default
        assert self.running_var is not None
        scale = self.weight.double() / (self.running_var.double() + self.eps).sqrt()
        shift = self.bias.double() - self.running_mean.double() * scale
        scaled = dots.double() * scale
        return scaled + shift


class HiddenLayer(nn.Module):
    """Binary linear, batch norm, sign: (samples, fan_in) of ±1 to (samples, fan_out) of ±1, float32."""

    def __init__(self, fan_in: int, fan_out: int, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.linear = BinaryLinear(fan_in, fan_out, generator)
        self.norm = FoldableNorm(fan_out)

    def forward(self, signs: Tensor) -> Tensor:
        return binarize(self.norm(self.linear(signs))).float()


class ScoreLayer(nn.Module):
    """Class scores: popcount + a whole-number offset, times one positive scale common to all classes.

    (samples, fan_in) of ±1 to (samples, classes) of logits, float32. As the scale is common and positive, the argmax
    of the logits is that of the integer scores, ties included. `bias` is the latent offset in units of sqrt(fan_in),
    the spread of a popcount; `offsets` are what is used: rounded, -fan_in … fan_in.
    """

    def __init__(self, fan_in: int, classes: int, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.linear = BinaryLinear(fan_in, classes, generator)
        self.bias = nn.Parameter(torch.zeros(classes))
        self.log_scale = nn.Parameter(torch.tensor(0.0))

    @property
    def offsets(self) -> Tensor:
        fan_in = self.linear.fan_in
        return round_straight((self.bias * fan_in**0.5).clamp(-fan_in, fan_in))

    def scores(self, signs: Tensor) -> Tensor:
        """(samples, classes) of whole numbers: popcount + offset."""
        dots: Tensor = self.linear(signs)
        return (dots + self.linear.fan_in) / 2 + self.offsets

    def forward(self, signs: Tensor) -> Tensor:
        logits: Tensor = self.scores(signs) * (self.log_scale.exp() / self.linear.fan_in**0.5)
        return logits


class BinaryNetwork(nn.Module):
    """Hidden layers and a score layer behind a thermometer encoding: what training makes and folding reads.

    Takes (samples, encoding.input.width) of ±1, float32, as `encode` makes them; gives (samples, classes) of logits.
    `error_rate` is that of all weights while training; see `BinaryLinear`.
    """

    def __init__(
        self,
        encoding: Thermometer,
        hidden: Sequence[int],
        classes: int,
        generator: torch.Generator | None = None,
        error_rate: float = 0.0,
    ) -> None:
        super().__init__()
        self.encoding = encoding
        widths = [encoding.input.width, *hidden]
        self.hidden = nn.ModuleList(
            HiddenLayer(fan_in, fan_out, generator) for fan_in, fan_out in itertools.pairwise(widths)
        )
        self.output = ScoreLayer(widths[-1], classes, generator)
        self.register_buffer("levels", torch.tensor(encoding.levels), persistent=False)
        self.levels: Tensor
        for linear in self.linears:
            linear.error_rate = error_rate

    @property
    def linears(self) -> Iterator[BinaryLinear]:
        """The weights of all layers."""
        return (module for module in self.modules() if isinstance(module, BinaryLinear))

    def encode(self, values: Tensor) -> Tensor:
        """(samples, values) integers to (samples, encoding.input.width) of ±1, float32; as `Thermometer.encode`."""
        code = values.unsqueeze(2) >= self.levels
        return code.flatten(1).float() * 2 - 1

    def forward(self, signs: Tensor) -> Tensor:
        for layer in self.hidden:
            signs = layer(signs)
        logits: Tensor = self.output(signs)
        return logits

    def clip(self) -> None:
        """Bring all latent weights back into [-1, 1], beyond which no gradient would move them."""
        for linear in self.linears:
            linear.clip()
