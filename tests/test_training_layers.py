import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_model_topology import convolutions
from torch.nn.functional import conv2d

from model.topology import AveragePool, Convolution, Dense, Map, MaxPool
from model.training.layers import (
    FLOAT32_TOP,
    AveragePooling,
    BinaryWeights,
    FoldableNorm,
    MaxPooling,
    ScoreLayer,
    binarize,
    round_straight,
)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_binarize_and_its_straight_through_gradient(dtype: torch.dtype) -> None:
    values = torch.tensor([-2.0, -1.0, -1e-30, -0.0, 0.0, 0.3, 1.0, 1.1], dtype=dtype, requires_grad=True)
    signs = binarize(values)
    weights = torch.arange(1, 9, dtype=dtype)
    torch.autograd.backward((signs * weights).sum())
    assert signs.tolist() == [-1, -1, -1, 1, 1, 1, 1, 1]
    assert signs.dtype == dtype
    assert values.grad is not None
    assert values.grad.tolist() == [0, 2, 3, 4, 5, 6, 7, 0]


def test_round_and_its_straight_through_gradient() -> None:
    values = torch.tensor([-1.6, 0.4, 2.5], requires_grad=True)
    rounded = round_straight(values)
    torch.autograd.backward((rounded * torch.tensor([1.0, 2.0, 3.0])).sum())
    assert rounded.tolist() == [-2, 0, 2]
    assert values.grad is not None
    assert values.grad.tolist() == [1, 2, 3]


def test_binary_weights_use_only_signs_and_clip() -> None:
    weights = BinaryWeights(Dense(3, 2))
    with torch.no_grad():
        weights.weight.copy_(torch.tensor([[0.2, -7.0, 0.0], [-0.1, -0.1, 3.0]]))
    assert weights(torch.tensor([[[[1.0, 1.0, -1.0]]]])).tolist() == [[[[-1, -3]]]]
    weights.clip()
    assert weights.weight.tolist() == [[pytest.approx(0.2), -1, 0], [pytest.approx(-0.1), pytest.approx(-0.1), 1]]


@pytest.mark.parametrize("shape", [Dense(8, 3), Convolution(Map(2, 4, 1), 3, (2, 2), (1, 2), (1, 0, 0, 1))])
def test_weights_err_while_training_and_their_gradient_does_not(shape: Dense | Convolution) -> None:
    generator = torch.Generator().manual_seed(0)
    plain, wrong = BinaryWeights(shape), BinaryWeights(shape)
    wrong.error_rate = 1.0
    latent = torch.randn(plain.weight.shape, generator=generator).clamp(-0.9, 0.9)
    signs = torch.randn(1, 2, 4, 1, generator=generator).sign()
    factors = torch.rand(1, *shape.result, generator=generator)
    gradients = []
    for weights in (plain, wrong):
        with torch.no_grad():
            weights.weight.copy_(latent)
        seen = signs.clone().requires_grad_()
        torch.autograd.backward((weights(seen) * factors).sum())
        assert weights.weight.grad is not None
        assert seen.grad is not None
        gradients.append((weights.weight.grad, seen.grad))
    assert torch.equal(wrong(signs), -plain(signs))
    assert torch.equal(gradients[0][0], gradients[1][0])
    assert gradients[0][0].abs().min() > 0
    torch.testing.assert_close(gradients[0][1], -gradients[1][1])  # what goes further back has met the errors
    wrong.eval()
    assert torch.equal(wrong(signs), plain(signs))


@pytest.mark.parametrize("shape", [Dense(300, 300), Convolution(Map(1, 1, 300), 300, (1, 1))])
def test_errors_are_drawn_anew_and_as_often_as_asked(shape: Dense | Convolution) -> None:
    generator = torch.Generator().manual_seed(0)
    weights = BinaryWeights(shape, generator=generator)
    drawn = generator.get_state()
    identity = torch.eye(300)[:, None, None]
    clean = weights(identity)
    assert torch.equal(generator.get_state(), drawn)  # without errors nothing is drawn
    weights.error_rate = 0.1
    first, second = weights(identity) != clean, weights(identity) != clean
    for hit in (first, second):
        assert hit.float().mean().item() == pytest.approx(0.1, rel=0.05)
    assert (first & second).float().mean().item() == pytest.approx(0.01, rel=0.2)


@settings(max_examples=100, deadline=None)
@given(data=st.data(), seed=st.integers(0, 2**32), pads=st.sampled_from([-255, -1, 1, 7]))
def test_convolutions_in_training_and_in_evaluation_are_those_of_torch(
    data: st.DataObject, seed: int, pads: int
) -> None:
    source = Map(*(data.draw(st.integers(1, most)) for most in (5, 6, 6)))
    shape, generator = data.draw(convolutions(source, 1)), torch.Generator().manual_seed(seed)
    weights = BinaryWeights(shape, total=255, fill=pads, generator=generator)
    maps = torch.randint(-255, 256, (3, *source), generator=generator).float()
    top, left, bottom, right = shape.padding
    padded = torch.full((3, top + source.height + bottom, left + source.width + right, source.channels), float(pads))
    padded[:, top : top + source.height, left : left + source.width] = maps
    kernels = weights.weight.detach().sign().reshape(shape.channels, *shape.kernel, -1).permute(0, 3, 1, 2).double()
    expected = conv2d(padded.permute(0, 3, 1, 2).double(), kernels, stride=shape.stride, groups=shape.groups)
    for mode in (True, False):
        assert torch.equal(weights.train(mode)(maps), expected.permute(0, 2, 3, 1).float())


def test_large_sums_are_exact() -> None:
    """In float32 an odd sum above 2^24 is not."""
    shape = Convolution(Map(1, 1, 300), 1, (1, 1))
    weights = BinaryWeights(shape, total=2**16 - 1).eval()
    with torch.no_grad():
        weights.weight.abs_()
    maps = torch.full((1, 1, 1, 300), float(2**16 - 1))
    maps[..., 0] = 4.0
    assert weights(maps).item() == 299 * (2**16 - 1) + 4
    assert BinaryWeights(shape, total=6990).dtype == torch.float32
    assert BinaryWeights(shape, total=6991).dtype == torch.float64


def test_pooling() -> None:
    maps = torch.tensor([[3.0, -7, 5, 1, 2], [-1, -1, -9, 0, 9]])[None, :, :, None]
    assert MaxPooling(MaxPool(Map(2, 5, 1), (2, 2), (1, 2)))(maps).tolist() == [[[[3], [5]]]]
    signs = torch.tensor([[1.0, -1, 1], [1, -1, -1]])[None, :, None]
    assert AveragePooling(AveragePool(Map(2, 1, 3)))(signs.reshape(1, 2, 1, 3)).tolist() == [[[[2, -2, 0]]]]


@pytest.mark.parametrize("size", [(), (5, 3)])
def test_norm_evaluates_as_batch_norm_and_monotonely(size: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    norm, theirs = FoldableNorm(50), torch.nn.BatchNorm2d(50)
    with torch.no_grad():
        for parameter, other in zip(norm.parameters(), theirs.parameters(), strict=True):
            other.copy_(parameter.normal_(generator=generator))
    for _ in range(20):
        shown = torch.randn(64, *size, 50, generator=generator) * 9 + 2
        as_image = shown.reshape(64, -1, 1, 50).movedim(3, 1)
        torch.testing.assert_close(norm(shown).reshape(64, -1, 1, 50).movedim(3, 1), theirs(as_image))
    norm.eval()
    theirs.eval().double()
    dots = torch.arange(-100.0, 101.0).unsqueeze(1).expand(-1, 50)
    ours = norm(dots)
    torch.testing.assert_close(ours, theirs(dots.double()[..., None, None])[..., 0, 0], atol=1e-5, rtol=1e-5)
    steps = ours.diff(dim=0) * norm.weight.sign()
    assert (steps >= 0).all()


def test_offsets_stay_within_the_top() -> None:
    layer = ScoreLayer(BinaryWeights(Dense(33, 3)))
    with torch.no_grad():
        layer.bias.copy_(torch.tensor([-100.0, 0.26, 100.0]))
    assert layer.offsets.tolist() == [-33, 1, 33]
    # Behind average pooling of 4 pixels a count reaches, and spreads, four times as far.
    pooled = ScoreLayer(BinaryWeights(Dense(33, 3), total=4))
    pooled.load_state_dict(layer.state_dict())
    assert pooled.offsets.tolist() == [-132, 6, 132]
    far = ScoreLayer(BinaryWeights(Dense(257, 1), total=2**16 - 1))
    with torch.no_grad():
        far.bias.fill_(1e9)
    assert far.offsets.tolist() == [257 * (2**16 - 1)]  # no float32


def test_scores_are_whole_and_logits_keep_their_order() -> None:
    generator = torch.Generator().manual_seed(1)
    layer = ScoreLayer(BinaryWeights(Dense(33, 10), generator=generator))
    with torch.no_grad():
        layer.bias.normal_(std=0.3, generator=generator)
        layer.log_scale.fill_(-0.7)
    signs = torch.randint(0, 2, (200, 33), generator=generator) * 2.0 - 1
    scores = layer.scores(signs)
    agreements = ((signs.unsqueeze(1) * layer.weights.weight.sign()) > 0).sum(2)
    assert torch.equal(scores, (agreements + layer.offsets.round().int()).float())
    best = scores == scores.max(1, keepdim=True).values
    assert (best.sum(1) > 1).any()  # there are ties, and the lowest index wins them
    assert layer(signs).argmax(1).tolist() == [row.index(True) for row in best.tolist()]


def test_scores_differ_when_they_were_scaled() -> None:
    """The largest scores in float32, and the ones below them."""
    scores = 2.0 * FLOAT32_TOP - torch.tensor([2.0, 3.0])
    scales = torch.rand(10_000, 1, generator=torch.Generator().manual_seed(0)) * 4
    logits = scores * scales
    assert (logits[:, 0] > logits[:, 1]).all()


def test_lowest_index_wins_a_tie() -> None:
    layer = ScoreLayer(BinaryWeights(Dense(8, 10)))
    with torch.no_grad():
        latent = layer.weights.weight
        latent.copy_(latent[:1].expand(10, 8).clone())
        layer.bias[:4] = -1.0
    assert layer(torch.ones(5, 8)).argmax(1).tolist() == [4] * 5
