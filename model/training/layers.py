"""Binary layers in torch. In evaluation mode they compute exactly what the folded integers compute.

Between layers are maps (samples, height, width, channels), after a dense layer of 1 x 1 pixels: signs, or sums of signs
where a layer sees several presentations. Training of networks with binary weights and activations: M. Courbariaux,
I. Hubara, D. Soudry, R. El-Yaniv, Y. Bengio, "Binarized Neural Networks: Training Deep Neural Networks with Weights and
Activations Constrained to +1 or -1", arXiv:1602.02830, 2016; as there, pooling comes before batch norm and sign.
Training with errors in the weights, so that a network is used to them: T. Hirtzlin, M. Bocquet, J.-O. Klein, E. Nowak,
E. Vianello, J.-M. Portal, D. Querlioz, "Outstanding Bit Error Tolerance of Resistive RAM-Based Binarized Neural
Networks", arXiv:1904.03652, 2019.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, linear, max_pool2d, pad

from model.campaign.layers import words
from model.topology import AveragePool, Convolution, Dense, MaxPool, Weighted

# Latent weights start near 0, where a few steps of Adam can still turn a sign.
SPREAD = 0.1

FLOAT32_TOP = 2**21
"""Largest counts below it are computed in float32: a score reaches twice as far, and scores that differ still do so
when they were multiplied by a scale and rounded. From there on float64 holds all that a topology allows.
"""


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


class BinaryWeights(nn.Module):
    """The dot products of a dense layer or a convolution: maps of its inputs to maps of whole numbers -top … top.

    `total` is the largest sum of signs that an input can be, so that top = fan-in * total; `fill` is the sum that pads.
    `weight`, (fan_out, fan_in), holds the latent weights, of which only the signs are used; `clip` keeps them within
    [-1, 1]. While training, each weight is flipped with probability `error_rate`, anew in every forward pass and by the
    `generator`; the gradient goes to the latent weight as if it were not.
    """

    error_rate = 0.0

    def __init__(
        self, shape: Weighted, total: int = 1, fill: int = -1, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        self.shape, self.fill, self.generator = shape, float(fill), generator
        self.top = shape.fan_in * total
        self.dtype = torch.float32 if self.top < FLOAT32_TOP else torch.float64
        latent = torch.empty(shape.fan_out, shape.fan_in).uniform_(-SPREAD, SPREAD, generator=generator)
        self.weight = nn.Parameter(latent)

    @property
    def elements(self) -> int:
        """The largest number of values that it makes of a sample."""
        groups = self.shape.groups if isinstance(self.shape, Convolution) else 1
        return self.shape.positions * max(self.shape.fan_in * groups, self.shape.fan_out)

    def forward(self, maps: Tensor) -> Tensor:
        weights = binarize(self.weight)
        if self.training and self.error_rate:
            hit = torch.rand(weights.shape, generator=self.generator).to(weights.device) < self.error_rate
            weights = weights - 2 * (hit * weights).detach()
        maps, weights = maps.to(self.dtype), weights.to(self.dtype)
        if isinstance(self.shape, Dense):
            return linear(maps.flatten(1), weights)[:, None, None]
        return self._convolve(maps, weights, self.shape)

    def _convolve(self, maps: Tensor, weights: Tensor, shape: Convolution) -> Tensor:
        if not self.training:
            # A matrix product is exact in whatever order it adds; quicker algorithms for convolutions round.
            dots = words(maps, shape, self.fill) @ weights.reshape(shape.groups, -1, shape.fan_in).mT
            return dots.movedim(0, 1).reshape(len(maps), *shape.result)
        top, left, bottom, right = shape.padding
        padded = pad(maps, (0, 0, left, right, top, bottom), value=self.fill)
        kernels = weights.reshape(shape.channels, *shape.kernel, -1).permute(0, 3, 1, 2)
        dots = conv2d(padded.permute(0, 3, 1, 2), kernels, stride=shape.stride, groups=shape.groups)
        return dots.permute(0, 2, 3, 1)

    @torch.no_grad()
    def clip(self) -> None:
        self.weight.clamp_(-1, 1)


class MaxPooling(nn.Module):
    """The largest value of each channel in each window: of dot products behind neurons, of signs at the input."""

    def __init__(self, shape: MaxPool) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, maps: Tensor) -> Tensor:
        return max_pool2d(maps.permute(0, 3, 1, 2), self.shape.kernel, self.shape.stride).permute(0, 2, 3, 1)


class AveragePooling(nn.Module):
    """The sum of the signs of each channel over the whole map, as a map of 1 x 1."""

    def __init__(self, shape: AveragePool) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, maps: Tensor) -> Tensor:
        return maps.sum((1, 2), keepdim=True)


class FoldableNorm(nn.BatchNorm1d):
    """Batch norm over all axes but the last, whose evaluation is one scale and one shift a channel, applied as two
    float64 operations.

    Each operation is rounded once and on its own, so the result is monotone in the input and the same for the same
    input however it is batched: folding can look for the dot product at which the sign turns and rely on what it sees.
    Evaluation returns float64, training float32.
    """

    def forward(self, dots: Tensor) -> Tensor:
        if self.training:
            return super().forward(dots.float().reshape(-1, self.num_features)).reshape(dots.shape)
        assert self.running_mean is not None  # tracked by default
        assert self.running_var is not None
        scale = self.weight.double() / (self.running_var.double() + self.eps).sqrt()
        shift = self.bias.double() - self.running_mean.double() * scale
        scaled = dots.double() * scale
        return scaled + shift


class HiddenLayer(nn.Module):
    """Dot products, the `pools` behind them, batch norm, sign: maps of `weights`' inputs to maps of ±1, float32."""

    def __init__(self, weights: BinaryWeights) -> None:
        super().__init__()
        self.weights = weights
        self.pools = nn.Sequential()
        self.norm = FoldableNorm(weights.shape.fan_out)

    def forward(self, maps: Tensor) -> Tensor:
        return binarize(self.norm(self.pools(self.weights(maps)))).float()


class ScoreLayer(nn.Module):
    """Class scores: count + a whole-number offset, times one positive scale common to all classes.

    Maps of `weights`' inputs to (samples, classes) of logits. As the scale is common and positive, the argmax of the
    logits is that of the integer scores, ties included. `bias` is the latent offset in units of total * sqrt(fan_in),
    about the spread of a count; `offsets` are what is used: rounded, -top … top.
    """

    def __init__(self, weights: BinaryWeights) -> None:
        super().__init__()
        self.weights = weights
        self.bias = nn.Parameter(torch.zeros(weights.shape.fan_out))
        self.log_scale = nn.Parameter(torch.tensor(0.0))

    @property
    def spread(self) -> float:
        fan_in = self.weights.shape.fan_in
        return self.weights.top // fan_in * float(fan_in**0.5)

    @property
    def offsets(self) -> Tensor:
        top = self.weights.top
        return round_straight((self.bias.to(self.weights.dtype) * self.spread).clamp(-top, top))

    def scores(self, maps: Tensor) -> Tensor:
        """(samples, classes) of whole numbers: count + offset."""
        dots: Tensor = self.weights(maps).flatten(1)
        return (dots + self.weights.top) / 2 + self.offsets

    def forward(self, maps: Tensor) -> Tensor:
        logits: Tensor = self.scores(maps) * (self.log_scale.exp() / self.spread)
        return logits
