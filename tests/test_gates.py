import pytest
import torch

from edgediff.encoder import load_encoder
from edgediff.score import load_task, read_rows
from edgediff.train import L0Form, Method, Settings, Shape, gates
from edgediff.train.batches import TokenRows
from edgediff.train.gate_stage import GateStage
from edgediff.train.gated_lines import GatedLines
from edgediff.train.model import make_model
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
    sums = gates.backward_chunk(grad_w, w, log_alpha, noise, group_gate, penalty, grad_log_alpha, scratch)
    assert sums.grad_w == pytest.approx(float(grad_w.square().sum()))
    assert sums.grad_log_alpha == pytest.approx(float(grad_log_alpha.square().sum()))
    grad_group = gates.backward_group(
        group_log_alpha,
        group_noise,
        torch.tensor([sums.group_dot], dtype=w.dtype),
        torch.tensor([sums.expected], dtype=w.dtype),
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


def _stage_and_batch(tiny_model, tiny_task, settings):
    encoder = load_encoder(tiny_model("bert"))
    task = load_task(tiny_task / "task.json")
    tokens = TokenRows(read_rows(tiny_task / "train.jsonl", task), encoder, task)
    model = make_model(encoder, task, 0, tokens.rows).eval()  # without dropout
    stage = GateStage(model, model.parameters_by_name(), tokens.token_ids(), settings, 50, 0.05)
    generator = torch.Generator().manual_seed(5)
    for tensor in stage.tensors:
        tensor.w.copy_(torch.randn(tensor.w.shape, generator=generator) * 0.05)
        tensor.log_alpha.copy_(torch.randn(tensor.log_alpha.shape, generator=generator))
    stage.group_log_alpha.copy_(torch.randn(len(stage.tensors), generator=generator) * 2)
    return model, stage, tokens.batch(torch.arange(16), torch.device("cpu"))


def _by_autograd(model, stage, batch, before, step, l0_weight):
    """The gradients of one step with a graph over every gate of the model, as the paper's code has them."""
    noise = stage._noise.slices(step)
    leaves = {"group": stage.group_log_alpha.clone().requires_grad_()}
    stretch = gates.ZETA - gates.GAMMA

    def gate(log_alpha, drawn):
        return (torch.sigmoid(log_alpha + drawn) * stretch + gates.GAMMA).clamp(0, 1)

    groups = torch.ones(len(stage.tensors))
    drawn = noise.next(len(groups))
    if stage.structured:
        groups = gate(leaves["group"], drawn)
    patched, penalty = {}, torch.zeros(())
    product = stage.settings.l0_form is L0Form.PRODUCT
    for number, tensor in enumerate(stage.tensors):
        w, log_alpha = tensor.w.clone().requires_grad_(), tensor.log_alpha.clone().requires_grad_()
        leaves[f"w.{tensor.name}"], leaves[f"log_alpha.{tensor.name}"] = w, log_alpha
        length = len(w) // len(log_alpha)  # entries a gate; 1 unless lines have them
        p = length * torch.sigmoid(log_alpha - gates.OPEN_SHIFT).sum()
        p_group = torch.sigmoid(leaves["group"][number] - gates.OPEN_SHIFT) if stage.structured else 1.0
        if product:
            # An open group counts its entries at full weight, a closed one rests; its own gate counts always.
            count = p.detach() if groups[number] > 0 else stage._expected[number].float()
            penalty = penalty + p * float(groups[number] > 0) + count * p_group
        else:
            penalty = penalty + p + p_group
        if product and groups[number] == 0:
            patched[tensor.name] = before[tensor.name]
            continue
        # The stage draws its noise chunk by chunk; these tensors are of one chunk each.
        z = gate(log_alpha, noise.next(len(log_alpha)))
        if isinstance(tensor, GatedLines):
            z = z[:, None].expand(-1, length) if tensor.axis == 0 else z[None].expand(length, -1)
        live = tensor.base + w * z.reshape(-1) * groups[number]
        whole = before[tensor.name].clone()
        live = live.view(-1, *whole.shape[1:])
        patched[tensor.name] = live if tensor.rows is None else whole.index_copy(0, tensor.rows, live)
    named = {f"encoder.model.{name}": value for name, value in patched.items()}
    logits = torch.func.functional_call(model, named, (batch.inputs,))
    loss = torch.nn.functional.cross_entropy(logits, batch.targets) + l0_weight * penalty
    loss.backward()
    return {name: leaf.grad for name, leaf in leaves.items()}


@pytest.mark.parametrize("method", [Method.STRUCTURED, Method.DIFF])
@pytest.mark.parametrize("form", L0Form)
@pytest.mark.parametrize("shape", [Shape.ENTRY, Shape.ROW])
def test_a_step_of_the_stage_has_the_gradients_of_plain_autograd(tiny_model, tiny_task, method, form, shape):
    # Unclipped, so that gradients stay as they are.
    settings = Settings(method=method, l0_form=form, shape=shape, clip=1e9)
    model, stage, batch = _stage_and_batch(tiny_model, tiny_task, settings)
    before = {tensor.name: tensor.parameter.detach().clone() for tensor in stage.tensors}
    weight = stage._feedback.weight = 1e-3
    wanted = _by_autograd(model, stage, batch, before, 3, weight)
    model.zero_grad()
    stage.prepare(3)
    torch.nn.functional.cross_entropy(model(batch.inputs), batch.targets).backward()
    stage.optimizer.step = lambda: None  # look at the gradients before they are used
    stage.update(3)
    rested = 0
    for tensor in stage.tensors:
        for kind, found in (("w", tensor.w.grad), ("log_alpha", tensor.log_alpha.grad)):
            want = wanted[f"{kind}.{tensor.name}"]
            if found is None:
                rested += 1
                assert want is None or not want.any(), tensor.name
            else:
                torch.testing.assert_close(found, want, rtol=1e-4, atol=1e-8, msg=f"{kind} {tensor.name}")
    if method is Method.STRUCTURED:
        torch.testing.assert_close(stage.group_log_alpha.grad, wanted["group"], rtol=1e-4, atol=1e-8)
    assert (rested > 0) == (method is Method.STRUCTURED and form is L0Form.PRODUCT)
