import pytest
import torch

from edgediff.train import gates
from edgediff.train.noise import NoisePool


def _autograd(grad, w, log_alpha, noise, group_log_alpha, group_noise, l0_weight):
    """The same step with a plain autograd graph, in double: one group, a linear loss `grad . theta`."""

    def gate(a, n):
        return (torch.sigmoid(a + n) * (gates.ZETA - gates.GAMMA) + gates.GAMMA).clamp(0, 1)

    leaves = [t.clone().requires_grad_() for t in (w, log_alpha, group_log_alpha)]
    w, log_alpha, group_log_alpha = leaves
    delta = w * gate(log_alpha, noise) * gate(group_log_alpha, group_noise)
    open_entries = torch.sigmoid(log_alpha - gates.OPEN_SHIFT).sum()
    expected = open_entries * torch.sigmoid(group_log_alpha - gates.OPEN_SHIFT)
    ((grad * delta).sum() + l0_weight * expected.sum()).backward()
    return delta.detach(), [leaf.grad for leaf in leaves]


@pytest.mark.parametrize("group", [-3.0, 0.1, 4.0])
def test_the_analytic_gradients_equal_autograds_in_double(group):
    generator = torch.Generator().manual_seed(3)
    grad, w, noise = (torch.randn(5000, generator=generator, dtype=torch.float64) for _ in range(3))
    log_alpha = torch.randn(5000, generator=generator, dtype=torch.float64) * 2
    group_log_alpha, group_noise = torch.tensor([group]).double(), torch.tensor([0.2]).double()
    l0_weight = 0.3
    delta, wanted = _autograd(grad, w, log_alpha, noise, group_log_alpha, group_noise, l0_weight)

    scratch = gates.Scratch.of(5000, w)
    group_scratch = gates.Scratch.of(1, w)
    group_gate = float(gates.sample_gates(group_log_alpha, group_noise, group_scratch))
    theta, base = torch.empty_like(w), torch.zeros_like(w)
    gates.patch_chunk(theta, base, w, log_alpha, noise, group_gate, scratch)
    torch.testing.assert_close(theta, delta)

    grad_w, grad_log_alpha = grad.clone(), torch.empty_like(w)
    penalty = l0_weight * float(gates.open_probability(group_log_alpha))
    dot, expected = gates.backward_chunk(
        grad_w, w, log_alpha, noise, group_gate, penalty, grad_log_alpha, scratch
    )
    grad_group = gates.backward_group(
        group_log_alpha,
        group_noise,
        torch.tensor([dot], dtype=w.dtype),
        torch.tensor([expected], dtype=w.dtype),
        l0_weight,
    )
    for found, want in zip((grad_w, grad_log_alpha, grad_group), wanted, strict=True):
        torch.testing.assert_close(found, want, rtol=1e-9, atol=1e-12)


def test_a_gate_without_noise_is_closed_open_or_between():
    log_alpha = torch.tensor([-9.0, 0.0, 9.0])
    assert gates.expected_gates(log_alpha).tolist() == [0.0, 0.0, 1.0]
    assert 0 < float(gates.expected_gates(torch.tensor(0.4))) < 1


def test_the_open_probability_is_the_share_of_open_samples():
    log_alpha = torch.full((200_000,), 0.7)
    noise = NoisePool(0, torch.device("cpu")).slices(0).next(len(log_alpha))
    gate = gates.sample_gates(log_alpha, noise, gates.Scratch.of(len(noise), noise))
    assert float((gate > 0).float().mean()) == pytest.approx(
        float(gates.open_probability(log_alpha[:1])), abs=0.005
    )


def test_pooled_noise_is_distributed_as_fresh_draws():
    noise = NoisePool(1, torch.device("cpu")).slices(7).next(1 << 20)
    wanted = torch.logit(torch.linspace(0.01, 0.99, 99))
    found = torch.quantile(noise[:100_000], torch.linspace(0.01, 0.99, 99))
    assert float((wanted - found).abs().max()) < 0.1


def test_a_step_reads_the_same_noise_twice_and_other_steps_read_other_noise():
    pool = NoisePool(2, torch.device("cpu"), size=1 << 16)
    first, again, other = (pool.slices(step) for step in (5, 5, 6))
    slices = [(first.next(100), again.next(100), other.next(100)) for _ in range(4)]
    assert all(torch.equal(a, b) and not torch.equal(a, c) for a, b, c in slices)
