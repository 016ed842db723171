import pytest
import torch

from model.encoding import Thermometer
from model.training.layers import BinaryLinear, BinaryNetwork, FoldableNorm, ScoreLayer, binarize, round_straight


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


def test_binary_linear_uses_only_signs_and_clips() -> None:
    linear = BinaryLinear(3, 2)
    with torch.no_grad():
        linear.weight.copy_(torch.tensor([[0.2, -7.0, 0.0], [-0.1, -0.1, 3.0]]))
    assert linear(torch.tensor([[1.0, 1.0, -1.0]])).tolist() == [[-1, -3]]
    linear.clip()
    assert linear.weight.tolist() == [[pytest.approx(0.2), -1, 0], [pytest.approx(-0.1), pytest.approx(-0.1), 1]]


def test_weights_err_while_training_and_their_gradient_does_not() -> None:
    latent, signs = torch.tensor([[0.2, -0.7, 0.0], [-0.1, -0.1, 0.3]]), torch.tensor([[1.0, 1.0, -1.0]])
    plain, wrong = BinaryLinear(3, 2), BinaryLinear(3, 2)
    wrong.error_rate = 1.0
    gradients = []
    for linear in (plain, wrong):
        with torch.no_grad():
            linear.weight.copy_(latent)
        given = signs.clone().requires_grad_()
        torch.autograd.backward((linear(given) * torch.tensor([2.0, 3.0])).sum())
        assert linear.weight.grad is not None
        assert given.grad is not None
        gradients.append((linear.weight.grad, given.grad))
    assert torch.equal(wrong(signs), -plain(signs))
    assert torch.equal(gradients[0][0], gradients[1][0])
    assert torch.equal(gradients[0][1], -gradients[1][1])  # what goes further back has met the errors
    wrong.eval()
    assert torch.equal(wrong(signs), plain(signs))


def test_errors_are_drawn_anew_and_as_often_as_asked() -> None:
    generator = torch.Generator().manual_seed(0)
    linear = BinaryLinear(300, 300, generator)
    drawn = generator.get_state()
    identity = torch.eye(300)
    clean = linear(identity)
    assert torch.equal(generator.get_state(), drawn)  # without errors nothing is drawn
    linear.error_rate = 0.1
    first, second = linear(identity) != clean, linear(identity) != clean
    for hit in (first, second):
        assert hit.float().mean().item() == pytest.approx(0.1, rel=0.05)
    assert (first & second).float().mean().item() == pytest.approx(0.01, rel=0.2)


def test_norm_evaluates_as_batch_norm_and_monotonely() -> None:
    generator = torch.Generator().manual_seed(0)
    norm = FoldableNorm(50)
    for _ in range(20):
        norm(torch.randn(64, 50, generator=generator) * 9 + 2)
    with torch.no_grad():
        norm.weight.normal_(generator=generator)
        norm.bias.normal_(generator=generator)
    norm.eval()
    assert norm.running_mean is not None
    assert norm.running_var is not None
    dots = torch.arange(-100.0, 101.0).unsqueeze(1).expand(-1, 50)
    ours = norm(dots)
    theirs = torch.nn.functional.batch_norm(
        dots.double(), norm.running_mean.double(), norm.running_var.double(), norm.weight.double(), norm.bias.double()
    )
    torch.testing.assert_close(ours, theirs)
    steps = ours.diff(dim=0) * norm.weight.sign()
    assert (steps >= 0).all()


def test_offsets_stay_within_the_fan_in() -> None:
    layer = ScoreLayer(33, 3)
    with torch.no_grad():
        layer.bias.copy_(torch.tensor([-100.0, 0.26, 100.0]))
    assert layer.offsets.tolist() == [-33, 1, 33]


def test_scores_are_whole_and_logits_keep_their_order() -> None:
    generator = torch.Generator().manual_seed(1)
    layer = ScoreLayer(33, 10, generator)
    with torch.no_grad():
        layer.bias.normal_(std=0.3, generator=generator)
        layer.log_scale.fill_(-0.7)
    signs = torch.randint(0, 2, (200, 33), generator=generator) * 2.0 - 1
    scores = layer.scores(signs)
    agreements = ((signs.unsqueeze(1) * layer.linear.weight.sign()) > 0).sum(2)
    assert torch.equal(scores, (agreements + layer.offsets.round().int()).float())
    best = scores == scores.max(1, keepdim=True).values
    assert (best.sum(1) > 1).any()  # there are ties, and the lowest index wins them
    assert layer(signs).argmax(1).tolist() == [row.index(True) for row in best.tolist()]


def test_lowest_index_wins_a_tie() -> None:
    layer = ScoreLayer(8, 10)
    with torch.no_grad():
        layer.linear.weight.copy_(layer.linear.weight[:1].expand(10, 8).clone())
        layer.bias[:4] = -1.0
    assert layer(torch.ones(5, 8)).argmax(1).tolist() == [4] * 5


def test_encode_as_the_thermometer_does() -> None:
    encoding = Thermometer(3, (-2, 0, 5))
    module = BinaryNetwork(encoding, (4,), 2)
    values = torch.tensor([[-3, -2, -1], [0, 4, 5], [6, 1, 2]])
    expected = encoding.encode(values.numpy())
    assert torch.equal(module.encode(values), torch.from_numpy(expected) * 2.0 - 1)
    assert torch.equal(module.encode(values + 0.5), module.encode(values))


def test_clip_reaches_every_layer() -> None:
    module = BinaryNetwork(Thermometer(3, (1,)), (4, 5), 2)
    linears = [part for part in module.modules() if isinstance(part, BinaryLinear)]
    with torch.no_grad():
        for linear in linears:
            linear.weight.mul_(1000)
    module.clip()
    assert [(linear.fan_in, linear.fan_out) for linear in linears] == [(3, 4), (4, 5), (5, 2)]
    assert all(linear.weight.abs().max() == 1 for linear in linears)
