"""Cheap dropout masks: the asked rate, no dependence between elements or calls, scaled without bias, repeatable."""

import pytest
import torch

from transfergain.engine.shortcuts.dropout import RATE_LEVELS, cheap_dropout, keep_mask

CPU = torch.device("cpu")
N = 400_000


def kept(p, n=N, seed=0):
    torch.manual_seed(seed)
    return (keep_mask(torch.Size([n]), p, torch.float32, CPU) > 0).double()


def correlation(a, b):
    return float(torch.corrcoef(torch.stack([a, b]))[0, 1])


@pytest.mark.parametrize("p", [0.01, 0.1, 0.25, 0.5, 0.9])
def test_rate(p):
    """Within five standard errors; to the nearest 1/65,536 the rate is exact by construction."""
    found = 1 - float(kept(p).mean())
    assert found == pytest.approx(p, abs=5 * (p * (1 - p) / N) ** 0.5 + 0.5 / RATE_LEVELS)


def test_elements_are_independent():
    """Neighbours share a 64-bit draw, four elements each: none of its quarters tells of another, nor of the next draw."""
    mask = kept(0.3)
    for lag in (1, 2, 3, 4, 5, 8, 384):
        assert abs(correlation(mask[:-lag], mask[lag:])) < 5 / N**0.5, lag
    for quarter in range(4):
        assert float(mask[quarter::4].mean()) == pytest.approx(0.7, abs=5 * (0.21 / (N / 4)) ** 0.5)
    pairs = mask[: N // 4 * 4].view(-1, 4)
    all_kept = float((pairs.sum(1) == 4).double().mean())
    assert all_kept == pytest.approx(0.7**4, abs=5 * (0.25 / (N / 4)) ** 0.5), "not only pair by pair"
    torch.manual_seed(1)
    first, second = ((keep_mask(torch.Size([N]), 0.3, torch.float32, CPU) > 0).double() for _ in range(2))
    assert abs(correlation(first, second)) < 5 / N**0.5


@pytest.mark.parametrize("shape", [(), (1,), (3, 5), (2, 3, 7), (0, 4)])
def test_any_shape(shape):
    x = torch.ones(shape)
    with cheap_dropout(CPU):
        assert torch.nn.functional.dropout(x, 0.5).shape == x.shape


def test_the_mean_and_the_gradient_are_unbiased():
    x = torch.ones(N, requires_grad=True)
    torch.manual_seed(0)
    with cheap_dropout(CPU):
        y = torch.nn.Dropout(0.1)(x)
        y.sum().backward()
    assert float(y.detach().mean()) == pytest.approx(1.0, abs=5 * (0.1 / 0.9 / N) ** 0.5)
    assert torch.equal(x.grad, y.detach()), "what is dropped gets no gradient, what is kept the scale's"
    assert sorted(set(y.tolist())) == pytest.approx([0.0, 1 / 0.9], rel=1e-4)


def test_the_seed_fixes_the_masks_and_the_module_of_torch_comes_back():
    own = torch.nn.functional.dropout
    x = torch.ones(1000)
    drawn = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        with cheap_dropout(CPU):
            drawn.append(torch.nn.functional.dropout(x, 0.2))
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])
    with pytest.raises(KeyError), cheap_dropout(CPU):
        raise KeyError
    assert torch.nn.functional.dropout is own
    with cheap_dropout(torch.device("cuda")):
        assert torch.nn.functional.dropout is own, "GPUs have their own"


def test_evaluation_and_odd_rates_are_torchs_own():
    x = torch.randn(100)
    with cheap_dropout(CPU):
        assert torch.nn.functional.dropout(x, 0.5, training=False) is x
        assert torch.equal(torch.nn.functional.dropout(x, 1.0), torch.zeros(100))
        with pytest.raises(ValueError, match="probability"):
            torch.nn.functional.dropout(x, 1.5)
        y = x.clone()
        assert torch.nn.functional.dropout(y, 0.5, inplace=True) is y and (y == 0).any()
