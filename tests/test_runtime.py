import json
from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
import torch
from conftest import ARCHITECTURES

from edgediff import TensorDiff, read_dpf, write_dpf
from edgediff.diff import Base, Diff, Head, Kind, Metric, Task
from edgediff.encoder import load_encoder
from edgediff.errors import BaseMismatchError, BundleError, DataError, FormatError
from edgediff.format.bundle import read_manifest, read_parameter
from edgediff.pack import pack, quantise
from edgediff.runtime import Tokens, eval, load_session, run
from edgediff.runtime.answer import answer
from edgediff.score import load_task, predictions, read_rows, score

LABELS = ("a", "b", "c")


def random_diff(encoder, labels=LABELS, density=0.005, seed=0) -> Diff:
    """A packed diff of random entries in every parameter, large enough to move the logits."""
    generator = np.random.default_rng(seed)
    tensors = []
    for name, array in encoder.arrays():
        count = max(round(density * array.size), 1)
        indices = np.sort(generator.choice(array.size, count, replace=False))
        values = generator.normal(0, 0.1, count).astype(np.float32)
        tensors.append(TensorDiff(name, array.shape, indices, values))
    head = Head(
        generator.normal(0, 0.3, (len(labels), encoder.width)).astype(np.float32),
        generator.normal(0, 0.3, len(labels)).astype(np.float32),
    )
    task = Task("random", Kind.CLASSIFICATION, "text", labels=labels)
    return quantise(Diff(encoder.base(), task, tuple(tensors), head))


def torch_logits(encoder, diff, texts, pairs=None):
    """The logits of torch's own model with the diff added to its parameters."""
    named = dict(encoder.model.named_parameters())
    with torch.inference_mode():
        for tensor in diff.tensors:
            named[tensor.name].view(-1)[torch.from_numpy(tensor.indices)] += torch.from_numpy(tensor.values)
        pooled, hidden = encoder(**encoder.tokenize(texts, pairs, diff.task.max_length))
        read = hidden if diff.task.per_token else pooled
        return (read.numpy() @ diff.head.weight.T) + diff.head.bias


@pytest.fixture(scope="module")
def sentences(voice_data):
    return read_rows(voice_data / "dev.jsonl", load_task(voice_data / "task.toml")).texts[:100]


@pytest.fixture(scope="module")
def minilm_diff():
    return random_diff(load_encoder("minilm"))


def test_torch_and_onnxruntime_agree_on_100_sentences_of_the_real_model(minilm_base, minilm_diff, sentences):
    session, task = load_session(minilm_base, minilm_diff)
    tokens = Tokens(minilm_base, minilm_diff.task)(sentences)
    (found,) = session.run(["logits"], {**tokens, **task.feeds})
    wanted = torch_logits(load_encoder("minilm"), minilm_diff, sentences)
    assert np.abs(found - wanted).max() < 1e-4
    assert (found.argmax(-1) == wanted.argmax(-1)).all()
    base_session, _ = load_session(minilm_base, replace(minilm_diff, tensors=()))
    (base,) = base_session.run(["logits"], {**tokens, **task.feeds})
    assert np.abs(found - base).max() > 0.1  # the diff is felt


def test_the_patched_session_equals_a_session_of_a_patched_file_bit_for_bit(
    minilm_base, minilm_diff, sentences, tmp_path
):
    manifest = read_manifest(minilm_base)
    parameters = {entry.name: entry for entry in manifest.parameters}
    for name in ("model.onnx", "weights.bin"):
        (tmp_path / name).write_bytes((minilm_base / name).read_bytes())
    weights = np.memmap(tmp_path / "weights.bin", np.uint8, "r+")
    for tensor in minilm_diff.tensors:
        stored = read_parameter(weights, parameters[tensor.name])
        rows = np.unravel_index(tensor.indices, tensor.shape)
        stored[rows] += tensor.values
    weights.flush()
    feeds = Tokens(minilm_base, minilm_diff.task)(sentences[:16])
    session, task = load_session(minilm_base, minilm_diff)
    plain = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    (found,), (wanted,) = (s.run(["logits"], {**feeds, **task.feeds}) for s in (session, plain))
    assert np.array_equal(found, wanted)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_other_architectures_agree_with_torch_too(tiny_model, architecture, tmp_path):
    from edgediff.export import export

    export(tiny_model(architecture), tmp_path / "base")
    diff = random_diff(load_encoder(tiny_model(architecture)))
    texts, pairs = ["one red lamp", "two", "big bad lamp"], ["good", "one two three", "quiet"]
    session, task = load_session(tmp_path / "base", diff)
    (found,) = session.run(["logits"], {**Tokens(tmp_path / "base", diff.task)(texts, pairs), **task.feeds})
    wanted = torch_logits(load_encoder(tiny_model(architecture)), diff, texts, pairs)
    assert np.abs(found - wanted).max() < 1e-4


def test_the_bundles_tokenizer_gives_the_tokens_that_training_saw(minilm_base, sentences):
    encoder = load_encoder("minilm")
    task = Task("t", Kind.CLASSIFICATION, "text", labels=LABELS, max_length=16)
    texts = [*sentences, "", "İstanbul'da — naïve ☕️ [SEP] a\u0301", "word " * 60, "\x00\ttab"]
    pairs = [*reversed(texts)]
    for second in (None, pairs):
        wanted = encoder.tokenize(texts, second, 16)
        found = Tokens(minilm_base, task)(texts, second)
        assert found.keys() == wanted.keys()
        assert all(np.array_equal(found[name], wanted[name].numpy()) for name in found)


def test_a_trained_task_scores_on_onnxruntime_as_it_did_in_torch(tiny_run, tiny_base, tiny_task, tmp_path):
    diff = pack(tiny_run, tmp_path / "colours.dpf", bits=8)
    result = eval(tiny_base, tmp_path / "colours.dpf", tiny_task / "dev.jsonl")
    rows = read_rows(tiny_task / "dev.jsonl", diff.task)
    session, task = load_session(tiny_base, diff)
    tokens = Tokens(tiny_base, diff.task)
    (logits,) = session.run(["logits"], {**tokens(rows.texts), **task.feeds})
    found = predictions(diff.task, logits, rows, tokens.features(rows.texts))
    assert result.score == (found == rows.targets).mean()
    assert (result.metric, result.rows) == ("accuracy", 60)
    assert result.scores == {"accuracy": result.score}


def test_answers_come_in_order_with_probabilities(tiny_run, tiny_base, tmp_path):
    pack(tiny_run, tmp_path / "colours.dpf")
    texts = ["one two big lamp three", "red", "two small blue"] * 30
    answers = run(tiny_base, tmp_path / "colours.dpf", texts)
    assert [a.label for a in answers] == [a.label for a in answers[:3]] * 30
    for found in answers:
        assert sum(found.scores.values()) == pytest.approx(1)
        assert found.label == max(found.scores, key=found.scores.get)


def test_a_regression_answers_with_a_number(tiny_model, tiny_base):
    encoder = load_encoder(tiny_model("bert"))
    diff = random_diff(encoder, labels=("only",))
    diff = replace(diff, task=Task("n", Kind.REGRESSION, "a", "b", metric="pearson_spearman"))
    session, task = load_session(tiny_base, diff)
    (found,) = session.run(["logits"], {**Tokens(tiny_base, diff.task)(["one"], ["two"]), **task.feeds})
    assert found.shape == (1, 1)


SEVERAL = Task("m", Kind.MULTI_LABEL, "text", labels=LABELS, metric=Metric.F1)
LABELLED = Task("w", Kind.TOKEN_CLASSIFICATION, "words", labels=LABELS, metric=Metric.F1)
ASKED = Task("q", Kind.QUESTION_ANSWERING, "q", "c", None, metric=Metric.F1, answers="answers", max_length=20)
SCORED = {
    SEVERAL: [
        {"text": "one red lamp", "label": ["a", "b"]},
        {"text": "two", "label": []},
        {"text": "big bad lamp", "label": ["c"]},
        {"text": "quiet", "label": ["a", "c"]},
    ],
    LABELLED: [
        {"words": ["one", "elephant", "lamp"], "label": ["a", "b", "c"]},
        {"words": ["two"] * 5, "label": ["b", "c", "a", "a", "b"]},
        {"words": ["red"], "label": ["c"]},
    ],
    ASKED: [
        {"q": "two", "c": "one red lamp", "answers": {"text": ["red"], "answer_start": [4]}},
        {"q": "big", "c": "two blue bad " * 12, "answers": {"text": ["blue bad"], "answer_start": [4]}},
        {"q": "red", "c": "quiet lamp", "answers": {"text": ["quiet lamp"], "answer_start": [0]}},
    ],
}


@pytest.fixture
def diff_of(tiny_model):
    """Makes a random diff of the tiny BERT for a task."""

    def make(task: Task) -> Diff:
        diff = random_diff(load_encoder(tiny_model("bert")), labels=LABELS[: task.outputs])
        return replace(diff, task=task)

    return make


@pytest.mark.parametrize("task", list(SCORED), ids=lambda task: task.kind)
def test_every_kind_is_scored_by_the_logits_that_torch_gives(tiny_base, tiny_model, diff_of, task, tmp_path):
    diff = diff_of(task)
    write_dpf(tmp_path / "task.dpf", diff)
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in SCORED[task]))
    result = eval(tiny_base, tmp_path / "task.dpf", data)
    rows = read_rows(data, task)
    encoder = load_encoder(tiny_model("bert"))
    features = encoder.task_tokenizer(task)(rows.texts, rows.pairs)
    torch_logits(encoder, diff, ["one"], ["two"])  # adds the diff
    logits = []
    for feature in features:
        inputs = encoder.task_tokenizer(task).pad([feature])
        with torch.inference_mode():
            pooled, hidden = encoder(**{name: torch.from_numpy(array) for name, array in inputs.items()})
        read = hidden[0] if task.per_token else pooled[0]
        logits.append(read.numpy() @ diff.head.weight.T + diff.head.bias)
    wanted = score(task, predictions(task, logits, rows, features), rows)
    assert result.scores == pytest.approx(wanted)
    assert result.score == result.scores["f1"]
    assert (result.metric, result.rows) == ("f1", len(rows))
    assert (len(features) > len(rows)) == (task is ASKED)


def test_a_task_of_several_labels_answers_with_those_more_likely_than_not(tiny_base, diff_of, tmp_path):
    diff = diff_of(SEVERAL)
    write_dpf(tmp_path / "several.dpf", diff)
    session, task = load_session(tiny_base, diff)
    texts = [row["text"] for row in SCORED[SEVERAL]]
    (logits,) = session.run(["logits"], {**Tokens(tiny_base, SEVERAL)(texts), **task.feeds})
    answers = run(tiny_base, tmp_path / "several.dpf", texts)
    for found, row in zip(answers, logits, strict=True):
        wanted = {name: 1 / (1 + np.exp(-float(value))) for name, value in zip(LABELS, row, strict=True)}
        assert found.scores == pytest.approx(wanted, abs=1e-5)
        assert found.label == [name for name, value in zip(LABELS, row, strict=True) if value > 0]


@pytest.mark.parametrize("far", [1e4, -1e4])
def test_a_label_that_is_certain_has_a_probability_without_overflow(far):
    found = answer(SEVERAL, np.array([far, 0, -far], np.float32))
    assert found.scores == {"a": float(far > 0), "b": 0.5, "c": float(far < 0)}
    assert found.label == (["a"] if far > 0 else ["c"])


def test_one_text_for_a_task_of_two_is_refused(tiny_base, tiny_model, tmp_path):
    diff = random_diff(load_encoder(tiny_model("bert")))
    write_dpf(tmp_path / "pair.dpf", replace(diff, task=replace(diff.task, text_pair="other")))
    with pytest.raises(DataError, match="takes two texts, found one"):
        run(tiny_base, tmp_path / "pair.dpf", ["one"])


def test_a_diff_of_another_base_is_refused_with_both_fingerprints(tiny_base, minilm_diff, tmp_path):
    write_dpf(tmp_path / "other.dpf", minilm_diff)
    mine = read_manifest(tiny_base).base.fingerprint
    with pytest.raises(BaseMismatchError) as raised:
        load_session(tiny_base, tmp_path / "other.dpf")
    assert mine in str(raised.value)
    assert minilm_diff.base.fingerprint in str(raised.value)


def test_a_diff_that_names_a_parameter_the_base_lacks_is_refused(tiny_base, tiny_model):
    diff = random_diff(load_encoder(tiny_model("bert")))
    alien = replace(diff.tensors[0], name="no.such.parameter")
    with pytest.raises(BaseMismatchError, match=r"'no\.such\.parameter', which the base"):
        load_session(tiny_base, replace(diff, tensors=(alien,)))


def test_a_diff_of_another_shape_is_refused(tiny_base, tiny_model):
    diff = random_diff(load_encoder(tiny_model("bert")))
    odd = replace(diff.tensors[0], shape=(7, 11))
    with pytest.raises(BaseMismatchError, match=r"of shape \(7, 11\)"):
        load_session(tiny_base, replace(diff, tensors=(odd,)))


def test_a_truncated_dpf_is_refused(tiny_run, tiny_base, tmp_path):
    pack(tiny_run, tmp_path / "whole.dpf")
    data = (tmp_path / "whole.dpf").read_bytes()
    (tmp_path / "cut.dpf").write_bytes(data[: len(data) // 2])
    with pytest.raises(FormatError, match=r"cut\.dpf: "):
        load_session(tiny_base, tmp_path / "cut.dpf")


def test_a_bundle_whose_graph_is_damaged_is_refused(tiny_base, tiny_run, tmp_path):
    bundle = tmp_path / "base"
    bundle.mkdir()
    for path in tiny_base.iterdir():
        (bundle / path.name).write_bytes(path.read_bytes())
    size = (bundle / "model.onnx").stat().st_size
    (bundle / "model.onnx").write_bytes(b"\xff" * size)
    pack(tiny_run, tmp_path / "colours.dpf")
    with pytest.raises(BundleError, match="onnxruntime cannot open"):
        load_session(bundle, tmp_path / "colours.dpf")


def test_a_session_may_have_the_users_own_options(tiny_run, tiny_base, tmp_path):
    pack(tiny_run, tmp_path / "colours.dpf")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session, task = load_session(tiny_base, tmp_path / "colours.dpf", session_options=options)
    feeds = Tokens(tiny_base, task.definition)(["red lamp"])
    (logits,) = session.run(["logits"], {**feeds, **task.feeds})
    assert logits.shape == (1, len(task.labels))
    assert task.labels == read_dpf(tmp_path / "colours.dpf").task.labels


def test_bases_are_compared_by_content_not_by_name(tiny_base, tiny_model):
    diff = random_diff(load_encoder(tiny_model("bert")))
    renamed = Base("another name", diff.base.fingerprint, diff.base.parameters, diff.base.width)
    load_session(tiny_base, replace(diff, base=renamed))
