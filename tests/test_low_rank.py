"""Products of two thin matrices: learnt, packed, and patched into sessions."""

import contextlib
import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import LEARNING, LEARNT, ONE_ROW, QUICK, quick, score_on_onnxruntime, train_on
from diffs import made_diff, made_task

from edgediff import dumps, loads
from edgediff.diff import Base, Diff, Head, Product, compose
from edgediff.encoder import load_encoder
from edgediff.errors import BaseMismatchError, SettingError
from edgediff.format import inspect, read_run
from edgediff.format.bundle import read_manifest
from edgediff.pack import FACTOR_BITS, pack, quantise
from edgediff.runtime import eval, open_base
from edgediff.runtime.live import LiveSession
from edgediff.score import load_task, read_rows
from edgediff.train import Component, Method, Settings
from edgediff.train.batches import TokenRows
from edgediff.train.cut import Cut
from edgediff.train.factors import Factors
from edgediff.train.mask_stage import MaskStage
from edgediff.train.methods import weights_of
from edgediff.train.model import linear_layers, make_model

SETTINGS = quick(Method.LOW_RANK, adapter_rate=2e-2)


def _model_and_rows(tiny_model, tiny_task):
    encoder, task = load_encoder(tiny_model("bert")), load_task(tiny_task / "task.json")
    tokens = TokenRows(read_rows(tiny_task / "train.jsonl", task), encoder, task)
    return make_model(encoder, task, 0, tokens.rows), tokens


def _stage(model, settings, steps, rank):
    layers = linear_layers(model.encoder.model)
    weights = {name: layer.weight for name, layer in sorted(layers.items())}
    return MaskStage(model, {}, None, settings, steps, Factors(model, weights, settings, rank))


def _step(model, tokens, stage, step):
    stage.prepare(step)
    model.zero_grad(set_to_none=True)
    batch = tokens.batch(torch.arange(16 * step, 16 * step + 16), torch.device("cpu"))
    model.loss(batch.inputs, batch.targets).backward()
    stage.update(step)


@pytest.mark.parametrize(("rank", "bits"), [(None, None), (2, 4)])
def test_a_run_changes_every_linear_layer_and_scores_on_onnxruntime_as_in_training(
    rank, bits, tiny_model, tiny_base, tiny_task, tmp_path
):
    rates = {"epochs": 30, "adapter_rate": 1e-2, "head_rate": 1e-2}
    settings = replace(SETTINGS, adapter_rank=rank, bits=bits, **rates)
    record = train_on(tiny_model("bert"), tmp_path / "run", tiny_task, settings)
    diff, dev = read_run(tmp_path / "run"), tiny_task / "dev.jsonl"
    layers = linear_layers(load_encoder(tiny_model("bert")).model)
    assert {each.name: each.shape for each in diff.products} == {
        name: tuple(layer.weight.shape) for name, layer in layers.items()
    }
    assert {each.rank for each in diff.products} == {rank or 1}
    assert (record["nnz"], record["factors"]) == (0, sum(each.size for each in diff.products))
    in_training = record["scores"]["dev"]["accuracy"]
    packed = pack(tmp_path / "run", tmp_path / "x.dpf")
    assert score_on_onnxruntime(tiny_base, packed, dev) == in_training  # with the factors that are packed
    assert in_training > LEARNT > score_on_onnxruntime(tiny_base, replace(packed, products=()), dev)
    assert eval(tiny_base, tmp_path / "x.dpf", dev).score == pytest.approx(in_training, abs=ONE_ROW)
    found = inspect(tmp_path / "x.dpf")
    assert (found["nnz"], found["factors"]) == (0, record["factors"])


def test_the_default_learns_entries_and_products_at_once(tiny_model, tiny_base, tiny_task, tmp_path):
    settings = quick(Settings().method, **LEARNING)
    record = train_on(tiny_model("bert"), tmp_path / "run", tiny_task, settings)
    diff, dev = read_run(tmp_path / "run"), tiny_task / "dev.jsonl"
    assert [stage["name"] for stage in record["stages"]] == ["dense", "mask"]
    assert record["nnz"] == diff.nnz == round(0.05 * diff.base.parameters)
    assert record["factors"] == sum(each.size for each in diff.products) > 0
    for values in (*(t.values for t in diff.tensors), *(p.left for p in diff.products)):
        assert values.any()
    in_training = record["scores"]["dev"]["accuracy"]
    packed = pack(tmp_path / "run", tmp_path / "x.dpf")
    assert len(packed.levels) <= 4  # three bits, one of them the sign
    assert packed.provenance.items() >= {"method": "early-low-rank", "density": "0.05", "rank": "1"}.items()
    assert score_on_onnxruntime(tiny_base, packed, dev) == in_training  # with what is packed
    bare = replace(packed, tensors=(), products=())
    assert in_training > LEARNT > score_on_onnxruntime(tiny_base, bare, dev)
    assert eval(tiny_base, tmp_path / "x.dpf", dev).score == pytest.approx(in_training, abs=ONE_ROW)


def test_embeddings_alone_have_no_products(tiny_model, tiny_task, tmp_path):
    settings = replace(QUICK, method=Method.EARLY_LOW_RANK, components=(Component.EMBEDDINGS,), epochs=1)
    train_on(tiny_model("bert"), tmp_path / "run", tiny_task, settings, rows=32)
    diff = read_run(tmp_path / "run")
    assert diff.nnz
    assert not diff.products
    assert "rank" not in diff.provenance


def test_a_rank_without_a_layer_for_it_is_refused(tiny_model, tiny_task, tmp_path):
    settings = Settings(components=(Component.EMBEDDINGS,), adapter_rank=4)
    with pytest.raises(SettingError, match="adapter_rank is 4, but components and exclude leave no linear"):
        train_on(tiny_model("bert"), tmp_path / "run", tiny_task, settings)


def test_components_say_which_layers_change(tiny_model, tiny_task, tmp_path):
    settings = replace(SETTINGS, components=(Component.ATTENTION,), epochs=1)
    train_on(tiny_model("bert"), tmp_path / "run", tiny_task, settings, rows=32)
    names = [each.name for each in read_run(tmp_path / "run").products]
    assert len(names) == 2 * 4
    assert all("attention" in name for name in names)


def test_a_layer_with_a_product_is_the_layer_whose_weight_has_it(tiny_model, tiny_task):
    model, tokens = _model_and_rows(tiny_model, tiny_task)
    stage = _stage(model, SETTINGS, 4, 2)
    for step in range(4):
        _step(model, tokens, stage, step)
    stage.settle()
    model.eval()
    inputs = tokens.batch(torch.arange(8), torch.device("cpu")).inputs
    with torch.no_grad():
        found = model(inputs)
        plain, layers = _model_and_rows(tiny_model, tiny_task)[0].eval(), {}
        plain.head.load_state_dict(model.head.state_dict())
        layers = linear_layers(plain.encoder.model)
        for product in _packed(model, stage, FACTOR_BITS):
            layers[product.name].weight += torch.from_numpy(product.dense())
        assert not torch.equal(plain(inputs), _model_and_rows(tiny_model, tiny_task)[0].eval()(inputs))
        torch.testing.assert_close(plain(inputs), found, atol=1e-5, rtol=1e-5)


def test_the_second_half_learns_with_the_factors_that_are_packed(tiny_model, tiny_task):
    model, tokens = _model_and_rows(tiny_model, tiny_task)
    stage = _stage(model, replace(SETTINGS, bits=2), 4, 1)
    used = []
    for step in range(4):
        stage.prepare(step)
        exact = [product.dense() for product in stage.factors.products()]
        used.append(all(map(np.array_equal, _written(stage), exact)))
        _step(model, tokens, stage, step)
    assert used == [True, True, False, False]
    stage.settle()
    for product, used in zip(_packed(model, stage, 2), _written(stage), strict=True):
        np.testing.assert_allclose(product.dense(), used, rtol=1e-5, atol=1e-9)


def _packed(model, stage, bits):
    diff = Diff(model.encoder.base(), model.task, (), model.head_arrays(), products=stage.factors.products())
    return quantise(diff, bits).products


def _written(stage):
    """The matrices that the layers add now, from what the forward pass uses."""
    pairs = zip(stage.factors._written[::2], stage.factors._written[1::2], strict=True)
    return [2 * (left.T * right).detach().numpy() for left, right in pairs]


def test_a_size_decides_the_rank_and_the_file_fills_it(tiny_model, tiny_task, tmp_path):
    settings = replace(SETTINGS, size=6000, bits=3, epochs=1)
    train_on(tiny_model("bert"), tmp_path / "run", tiny_task, settings, rows=32)
    pack(tmp_path / "run", tmp_path / "x.dpf")
    assert 0.75 * 6000 <= (tmp_path / "x.dpf").stat().st_size <= 6000
    assert {each.rank for each in read_run(tmp_path / "run").products} == {12}


def test_a_large_size_decides_for_the_largest_rank_that_the_format_holds(tiny_model, tiny_task):
    encoder, task = load_encoder(tiny_model("bert")), load_task(tiny_task / "task.json")
    settings = replace(SETTINGS, size=5_000_000)
    assert Cut.of(encoder.base(), task, settings, weights_of(encoder, settings)).rank == 256


def test_a_large_weight_has_no_larger_rank_than_the_format_holds_numbers(tiny_model, tiny_task):
    encoder, task = load_encoder(tiny_model("bert")), load_task(tiny_task / "task.json")
    weights = {"large": torch.nn.Parameter(torch.empty(400_000, 2**20 - 400_000, device="meta"))}
    with pytest.raises(SettingError, match=r"rank is 65, .* have at most rank 64 in a packed file"):
        Cut.of(encoder.base(), task, replace(SETTINGS, adapter_rank=65), weights)


@pytest.mark.parametrize(("rank", "size"), [(None, 1000), (99, 6000)])
def test_a_size_that_does_not_hold_the_rank_is_refused(rank, size, tiny_model, tiny_task, tmp_path):
    settings = replace(SETTINGS, size=size, adapter_rank=rank)
    with pytest.raises(
        SettingError, match=f"size is {size:,} bytes, products of rank {rank or 1} need about"
    ):
        train_on(tiny_model("bert"), tmp_path / "run", tiny_task, settings, rows=32)


def test_a_bitwise_equal_run_comes_of_the_same_seed_and_another_of_another(tiny_model, tiny_task, tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        settings = replace(SETTINGS, epochs=1, seed=seed)
        train_on(tiny_model("bert"), tmp_path / name, tiny_task, settings, rows=64)
    a, b, c = ((tmp_path / name / "diff.safetensors").read_bytes() for name in "abc")
    assert a == b != c


def _made(bundle, name, rank, seed=0):
    """A packed diff of products of all matrices but embeddings, and of entries."""
    rng = np.random.default_rng(seed)
    products = []
    for parameter in read_manifest(bundle).parameters:
        if len(parameter.shape) == 2 and "embeddings" not in parameter.name:
            rows, columns = parameter.shape
            left = rng.standard_normal((rows, rank), np.float32)
            right = rng.normal(scale=0.1, size=(rank, columns)).astype(np.float32)
            products.append(Product(parameter.name, parameter.shape, left, right))
    diff = made_diff(bundle, made_task(name), seed)
    return quantise(replace(diff, products=tuple(products)), 4)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def several(tiny_base, tmp_path):
    """Files of tasks with entries, with products, with both, and of rank 3."""
    plain = made_diff(tiny_base, made_task("plain"), 1)
    both = _made(tiny_base, "both", 1, 2)
    diffs = [
        plain,
        both,
        replace(_made(tiny_base, "whole", 1, 3), tensors=()),
        _made(tiny_base, "three", 3, 4),
    ]
    for diff in diffs:
        (tmp_path / f"{diff.task.name}.dpf").write_bytes(dumps(diff))
    return {diff.task.name: tmp_path / f"{diff.task.name}.dpf" for diff in diffs}


def _feeds(bundle):
    tokens = np.arange(4, 12)[None]
    ones = {"attention_mask": np.ones_like(tokens)}
    zeros = {"token_type_ids": np.zeros_like(tokens)}
    return {"input_ids": tokens, **ones, **zeros}


def test_live_mode_answers_in_any_order_of_tasks_bit_for_bit_as_session_mode(several, tiny_base, cache):
    feeds = _feeds(tiny_base)
    with (
        open_base(tiny_base, mode="session", threads=1) as session,
        open_base(tiny_base, mode="live", threads=1, cache=cache) as live,
    ):
        for name, path in several.items():
            session.add(path, name)
            live.add(path, name)
        wanted = {name: session.logits(name, feeds).tobytes() for name in several}
        assert len(set(wanted.values())) == len(several)
        for one, other in itertools.permutations(several, 2):
            for name in (one, other, one):
                assert live.logits(name, feeds).tobytes() == wanted[name], (one, other)
            live.deactivate()


@pytest.mark.parametrize("read", [0, 1, 8, 9, 20, 30])
@pytest.mark.parametrize("following", [None, "both", "three", "plain"])
def test_an_interrupt_in_the_midst_of_a_product_is_put_in_order_by_the_next_switch(
    read, following, several, tiny_base, cache, monkeypatch
):
    with open_base(tiny_base, mode="live", threads=1, cache=cache) as base:
        mode = base._mode
    with open_base(tiny_base, mode="session", threads=1) as session:
        for name, path in several.items():
            mode.prepare(name, loads(path.read_bytes()))
            session.add(path, name)
        task = session.add(several["plain"], "again")
        feeds = _feeds(tiny_base) | session._tasks.head_of(task)
        untouched = mode.session.run(["logits"], feeds)[0].tobytes()
        calls, whole = itertools.count(), LiveSession.read_base

        def half(live, start, into):
            if next(calls) == read:
                whole(live, start, into[: len(into) // 2])
                raise KeyboardInterrupt
            whole(live, start, into)

        monkeypatch.setattr(LiveSession, "read_base", half)
        with contextlib.suppress(KeyboardInterrupt):
            for key in ("both", "three", "plain", "whole", None):
                mode.activate(key)
        assert next(calls) > read  # it came
        mode.activate(following)
        if following is not None:
            feeds |= session._tasks.head_of(session._tasks.by_name[following])
            wanted = session.logits(following, _feeds(tiny_base)).tobytes()
            assert mode.session.run(["logits"], feeds)[0].tobytes() == wanted
            mode.activate(None)
            feeds |= session._tasks.head_of(task)
        assert mode.session.run(["logits"], feeds)[0].tobytes() == untouched


def test_products_compose_to_the_sum_whatever_the_order(several, tiny_base, cache):
    diffs = [loads(path.read_bytes()) for path in several.values()]
    one, _ = compose(diffs)
    other, _ = compose(diffs[::-1])
    for product in one.products:
        parts = [each.dense() for diff in diffs for each in diff.products if each.name == product.name]
        np.testing.assert_allclose(product.dense(), np.sum(parts, 0), atol=1e-5)
        (again,) = (each for each in other.products if each.name == product.name)
        assert again.dense().tobytes() == product.dense().tobytes()
    feeds, names = _feeds(tiny_base), list(several)
    with (
        open_base(tiny_base, mode="session", threads=1) as session,
        open_base(tiny_base, mode="live", threads=1, cache=cache) as live,
    ):
        for name, path in several.items():
            session.add(path, name)
            live.add(path, name)
        assert live.logits(names, feeds).tobytes() == session.logits(names, feeds).tobytes()


def test_a_product_of_a_parameter_that_the_base_has_otherwise_is_refused(several, tiny_base, tmp_path, cache):
    diff = loads(several["whole"].read_bytes())
    first = diff.products[0]
    renamed = replace(diff, products=(replace(first, name="no.such"),))
    (tmp_path / "x.dpf").write_bytes(dumps(renamed))
    with (
        open_base(tiny_base, mode="live", threads=1, cache=cache) as base,
        pytest.raises(BaseMismatchError, match=r"changes 'no\.such', which the base"),
    ):
        base.add(tmp_path / "x.dpf", "x")


def test_a_packed_product_is_near_the_exact_one_and_packs_to_itself():
    rng = np.random.default_rng(0)
    left, right = rng.standard_normal((300, 2), np.float32), rng.standard_normal((2, 200), np.float32)
    exact = Product("w", (300, 200), left, right)
    diff = replace(_tiny_diff(), products=(exact,))
    for bits, most in ((2, 0.2), (3, 0.05), (4, 0.013), (8, 1e-4)):
        packed = quantise(diff, bits)
        lost = np.square(packed.products[0].dense() - exact.dense()).sum() / np.square(exact.dense()).sum()
        assert most / 5 < lost < most, bits
        size = 8 * len(dumps(packed)) - 8 * len(dumps(replace(packed, products=())))
        assert size < 1.1 * bits * exact.size + 8 * 60  # its names and steps
        assert dumps(quantise(packed, 2)) == dumps(packed)


def _tiny_diff():
    base = Base("b", "0" * 64, 60_000, 4)
    return Diff(base, made_task("t"), (), Head(np.ones((2, 4), np.float32), np.zeros(2, np.float32)))


def test_terms_that_add_nothing_are_left_out_and_so_is_a_product_of_them():
    ones = np.ones((3, 1), np.float32)
    zero = Product("zero", (3, 4), ones, np.zeros((1, 4), np.float32))
    half = Product("half", (3, 4), np.hstack([ones, ones]), np.array([[0] * 4, [1] * 4], np.float32))
    packed = quantise(replace(_tiny_diff(), products=(half, zero)), 4)
    assert [(each.name, each.rank) for each in packed.products] == [("half", 1)]
    assert np.allclose(packed.products[0].dense(), 1, rtol=0.02)


@pytest.mark.parametrize(
    ("left", "right", "said"),
    [
        ([[np.nan], [1], [1]], [[1, 1]], "'w' holds a value that is not finite"),
        ([[1e38], [1], [1]], [[1e38, 1]], "'w' has a term that single precision cannot hold"),
        ([[1], [1]], [[1, 1]], r"'w': \(2, 1\) and \(1, 2\) are no two factors of \(3, 2\)"),
    ],
)
def test_a_product_that_no_file_holds_is_refused_by_name(left, right, said):
    product = Product("w", (3, 2), np.array(left, np.float32), np.array(right, np.float32))
    with pytest.raises(SettingError, match=said):
        quantise(replace(_tiny_diff(), products=(product,)), 4)
