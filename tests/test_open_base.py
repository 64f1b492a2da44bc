"""One base, many tasks: live mode and session mode say the same, bit for bit."""

import logging
import os
import subprocess
import sys
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import held
from diffs import made_diff, made_task

from edgediff.diff import Diff, Head, Kind, Metric, Task, TensorDiff
from edgediff.encoder import load_encoder
from edgediff.errors import BaseMismatchError, BundleError, DataError, FormatError, SettingError, TaskError
from edgediff.format import dumps, write_dpf
from edgediff.format.bundle import read_manifest
from edgediff.pack import quantise
from edgediff.runtime import LabelledWord, LabelledWords, Tokens, load_session, open_base, run
from edgediff.runtime.answer import answer, answer_texts
from edgediff.runtime.image import base_values
from edgediff.runtime.open_base import MAX_PREPARED
from edgediff.tokens import best_span, first_tokens, join_words

TOKENS = {
    "input_ids": np.random.default_rng(0).integers(0, 1000, (3, 16)),
    "attention_mask": np.ones((3, 16), np.int64),
    "token_type_ids": np.zeros((3, 16), np.int64),
}


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def files(minilm_base, tmp_path_factory):
    """Three tasks whose diffs touch every parameter of the real base, and partly the same entries."""
    folder = tmp_path_factory.mktemp("files")
    manifest = read_manifest(minilm_base)
    for number, name in enumerate(("first", "second", "third")):
        generator = np.random.default_rng(number)
        tensors = []
        for entry in manifest.parameters:
            numel = int(np.prod(entry.shape))
            indices = np.unique(generator.integers(0, min(numel, 50_000), 500))
            values = generator.normal(scale=0.05, size=len(indices)).astype(np.float32)
            tensors.append(TensorDiff(entry.name, entry.shape, indices, values))
        head = Head(generator.normal(size=(2, 384)).astype(np.float32), np.zeros(2, np.float32))
        task = Task(name, Kind.CLASSIFICATION, "text", labels=("no", "yes"))
        write_dpf(folder / f"{name}.dpf", quantise(Diff(manifest.base, task, tuple(tensors), head)))
    return [folder / f"{name}.dpf" for name in ("first", "second", "third")]


def _opened(base, files, cache, mode):
    opened = open_base(base, mode=mode, threads=1, cache=cache)
    for file in files:
        opened.add(file)
    return opened


def test_live_mode_is_chosen_here_and_equals_session_mode_bit_for_bit(minilm_base, files, cache):
    with (
        _opened(minilm_base, files, cache, "auto") as live,
        _opened(minilm_base, files, cache, "session") as session,
    ):
        assert (live.mode, session.mode) == ("live", "session")
        tasks = ["first", "second", ["first", "second"], ["second", "first"], ["third", "first"], "first"]
        for task in tasks:
            assert np.array_equal(live.logits(task, TOKENS), session.logits(task, TOKENS)), task


def test_after_random_switches_the_image_holds_the_bases_values_bit_for_bit(minilm_base, files, cache):
    generator = np.random.default_rng(3)
    manifest = read_manifest(minilm_base)
    with _opened(minilm_base, files, cache, "live") as live:
        for _ in range(200):
            chosen = generator.choice(["first", "second", "third"], generator.integers(1, 4), replace=False)
            live.activate(list(chosen))
        live.deactivate()
        for name, value in base_values(minilm_base, manifest).items():
            assert held(live._mode._live, name, value.size).tobytes() == value.tobytes(), name


def test_a_task_answers_texts(minilm_base, files, cache):
    with _opened(minilm_base, files, cache, "live") as live:
        (answer,) = live.run("second", ["a red lamp"])
        assert answer.label in ("no", "yes")
        assert sum(answer.scores.values()) == pytest.approx(1)
        assert live.tasks["second"].uses == 1
        assert live.overlap(["first", "second"]) > 0


LABELS = ("a", "b", "c")
ONE = made_task("one", labels=LABELS)
NUMBER = Task("number", Kind.REGRESSION, "text", metric=Metric.PEARSON_SPEARMAN)
SEVERAL = Task("several", Kind.MULTI_LABEL, "text", "other", labels=LABELS, metric=Metric.F1)
WORDS = Task("words", Kind.TOKEN_CLASSIFICATION, "words", labels=LABELS, metric=Metric.F1, max_length=8)
ASKED = Task("asked", Kind.QUESTION_ANSWERING, "q", "c", None, (), Metric.F1, "answers", max_length=20)
TEXTS = ["one red lamp", "two", "", "big  bad\tlamp", "quiet " * 20, "elephant [SEP] one"] * 12
CONTEXTS = ["one red lamp", "two blue bad " * 12, "quiet lamp", "big", "loud " * 40 + "red", "five four"] * 12
TASKS = [ONE, NUMBER, SEVERAL, WORDS, ASKED]
PATIENCE = 30


@pytest.fixture(scope="module")
def kinds(tiny_base, tmp_path_factory):
    """A file for a task of each kind, over the tiny base."""
    folder = tmp_path_factory.mktemp("kinds")
    for number, task in enumerate(TASKS):
        write_dpf(folder / f"{task.name}.dpf", made_diff(tiny_base, task, number))
    return {task.name: folder / f"{task.name}.dpf" for task in TASKS}


@pytest.fixture
def tiny(tiny_base, kinds):
    """The tiny base with all five tasks, in session mode."""
    with open_base(tiny_base, mode="session", threads=1) as opened:
        for file in kinds.values():
            opened.add(file)
        yield opened


def _asked(task):
    if task is ASKED:
        return ["two", "big lamp", "red"] * 24, CONTEXTS
    return TEXTS, TEXTS[::-1] if task.text_pair else None


def _torch_answers(model, diff, texts, pairs):
    """Answers by torch's own logits, one feature after another."""
    task, encoder = diff.task, load_encoder(model)
    named = dict(encoder.model.named_parameters())
    tokenizer = encoder.task_tokenizer(task)
    features = tokenizer([join_words(text.split()) for text in texts] if task is WORDS else texts, pairs)
    logits = []
    with torch.inference_mode():
        for tensor in diff.tensors:
            named[tensor.name].view(-1)[torch.from_numpy(tensor.indices)] += torch.from_numpy(tensor.values)
        for feature in features:
            inputs = {name: torch.from_numpy(array) for name, array in tokenizer.pad([feature]).items()}
            pooled, hidden = encoder(**inputs)
            read = hidden[0] if task.per_token else pooled[0]
            logits.append(read.numpy() @ diff.head.weight.T + diff.head.bias)
    if task is WORDS:
        return [_words(*each) for each in zip(features, logits, texts, strict=True)]
    if task is ASKED:
        rows = [[i for i, feature in enumerate(features) if feature.row == row] for row in range(len(texts))]
        return [
            best_span([features[i] for i in own], [logits[i] for i in own], context)
            for own, context in zip(rows, pairs, strict=True)
        ]
    return [answer(task, row) for row in logits]


def _words(feature, logits, text):
    found = []
    for word, first in zip(text.split(), first_tokens(feature, text.split()), strict=True):
        shares = torch.from_numpy(logits[first].astype(np.float64)).softmax(-1).numpy()
        label = shares.argmax()
        found.append((word, None, 0.0) if first < 0 else (word, LABELS[label], shares[label]))
    return LabelledWords(tuple(LabelledWord(*each) for each in found))


def _assert_alike(task, found, wanted):
    if task is WORDS:
        assert [(w.word, w.label) for w in found.words] == [(w.word, w.label) for w in wanted.words]
        shares = [[word.probability for word in each.words] for each in (found, wanted)]
        assert shares[0] == pytest.approx(shares[1], abs=1e-4)
    elif task is ASKED:
        assert (found.text, found.start) == (wanted.text, wanted.start)
        assert found.score == pytest.approx(wanted.score, abs=1e-3)
    else:
        assert found.label == (pytest.approx(wanted.label, abs=1e-3) if task is NUMBER else wanted.label)
        assert found.scores == pytest.approx(wanted.scores, abs=1e-4)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_every_kind_answers_as_torch_does_in_the_order_asked(task, tiny, tiny_model, tiny_base, kinds):
    texts, pairs = _asked(task)
    found = tiny.run(task.name, texts, pairs)
    wanted = _torch_answers(tiny_model("bert"), made_diff(tiny_base, task, TASKS.index(task)), texts, pairs)
    assert len(found) == 72
    for one, other in zip(found, wanted, strict=True):
        _assert_alike(task, one, other)
    assert run(tiny_base, kinds[task.name], texts[:5], pairs and pairs[:5]) == tiny.run(
        task.name, texts[:5], pairs and pairs[:5]
    )


def test_a_word_that_was_cut_off_has_no_label(tiny):
    (found,) = tiny.run("words", ["one two red big bad lamp loud quiet"])
    assert [word.word for word in found.words] == ["one", "two", "red", "big", "bad", "lamp", "loud", "quiet"]
    assert [word.label is None for word in found.words] == [False] * 6 + [True] * 2
    assert found.words[-1].probability == 0
    assert tiny.run("words", [""]) == [LabelledWords(())]


def test_hand_made_logits_are_read_by_word_and_by_span(tiny_base):
    def third_token(feeds):
        rows, tokens = feeds["input_ids"].shape
        logits = np.zeros((rows, tokens, 3 if wanted is WORDS else 2), np.float32)
        logits[:, 3] = (0, 0, 50) if wanted is WORDS else (4, 4)
        return logits

    wanted = WORDS
    (found,) = answer_texts(WORDS, Tokens(tiny_base, WORDS), third_token, ["one  two red lamp"], None)
    assert [word.label for word in found.words] == ["a", "a", "c", "a"]
    assert [word.probability for word in found.words] == pytest.approx([1 / 3, 1 / 3, 1, 1 / 3])
    wanted = ASKED  # [CLS] two [SEP] one red lamp [SEP]
    (span,) = answer_texts(ASKED, Tokens(tiny_base, ASKED), third_token, ["two"], ["one red lamp"])
    assert (span.text, span.start, span.score) == ("one", 0, 8)


@pytest.mark.parametrize(
    ("task", "texts", "pairs", "part"),
    [
        ("one", ["one"], ["two"], "takes one text, found two"),
        ("words", ["one"], ["two"], "takes one text, found two"),
        ("asked", ["one"], None, "takes two texts, found one"),
        ("several", ["one"], None, "takes two texts, found one"),
        ("several", ["one", "two"], ["two"], "found 2 texts and 1 second texts"),
        ("one", "one", None, "expected a list of texts"),
        ("asked", ["one " * 19], ["two " * 19], "too little room"),
    ],
)
def test_texts_that_do_not_fit_the_task_are_refused(task, texts, pairs, part, tiny):
    with pytest.raises(DataError, match=part):
        tiny.run(task, texts, pairs)
    assert tiny.run("one", []) == []


def test_a_task_tells_of_itself_and_when_it_was_last_used(tiny, kinds):
    task = tiny.tasks["one"]
    assert (task.name, task.kind, task.labels) == ("one", Kind.CLASSIFICATION, LABELS)
    assert task.file_bytes == kinds["one"].stat().st_size
    assert (task.uses, task.last_used) == (0, None)
    began = time.time()
    tiny.run("one", ["red"])
    assert began <= task.last_used <= time.time()
    assert task.uses == 1
    assert tiny.tasks["words"].last_used is None


def test_a_name_that_is_none_is_refused_with_those_there_are(tiny):
    for name in ("none", ["one", "none"]):
        with pytest.raises(TaskError, match="no task 'none' was added; there are one, number, several"):
            tiny.run(name, ["red"])
    with pytest.raises(TaskError, match="no task is named"):
        tiny.run([], ["red"])


def test_a_file_in_place_of_a_name_is_added_once_and_composes(tiny_base, kinds, tmp_path):
    write_dpf(tmp_path / "domain.dpf", made_diff(tiny_base, made_task("domain"), 9))
    both = [str(tmp_path / "domain.dpf"), kinds["one"]]
    with open_base(tiny_base, mode="session", threads=1) as opened:
        first = opened.run(both, ["red lamp"])
        assert list(opened.tasks) == ["domain", "one"]
        assert opened.run(["domain", "one"], ["red lamp"]) == first
        assert opened.run(both[::-1], ["red lamp"])[0].label in ("no", "yes")
        assert opened.run("one", ["red lamp"]) == opened.run(both[1], ["red lamp"]) != first
        assert list(opened.tasks) == ["domain", "one"]
        with pytest.raises(FormatError, match=r"missing\.dpf"):
            opened.run(tmp_path / "missing.dpf", ["red"])


def test_a_composition_answers_as_the_composed_file_does_and_tells_of_its_overlap(
    tiny, tiny_base, kinds, tmp_path, caplog
):
    one, words = (made_diff(tiny_base, task, TASKS.index(task)) for task in (ONE, WORDS))
    shared = sum(
        len(np.intersect1d(a.indices, b.indices)) for a, b in zip(one.tensors, words.tensors, strict=True)
    )
    with caplog.at_level(logging.INFO, "edgediff"):
        found = tiny.run(["words", "one"], ["red lamp"])
    assert f"{shared} entries are changed by more than one of one, words" in caplog.text
    assert tiny.overlap(["one", "words"]) == tiny.overlap(["words", "one", "words"]) == shared > 0
    assert tiny.overlap(["one"]) == 0
    tensors = []
    for a, b in zip(one.tensors, words.tensors, strict=True):
        dense = np.zeros(a.numel, np.float32)
        dense[a.indices] += a.values
        dense[b.indices] += b.values
        where = np.flatnonzero(dense)
        tensors.append(replace(a, indices=where, values=dense[where]))
    session, task = load_session(tiny_base, replace(one, tensors=tuple(tensors), levels=None))
    (logits,) = session.run(["logits"], {**Tokens(tiny_base, ONE)(["red lamp"]), **task.feeds})
    assert found[0].scores == pytest.approx(answer(ONE, logits[0]).scores, abs=1e-5)


def test_a_removed_task_is_gone_and_its_name_is_free_for_another_file(tiny, tiny_base, tmp_path):
    before = tiny.run("one", ["red lamp"])
    composed = tiny.run(["words", "one"], ["red lamp"])
    tiny.remove("one")
    assert "one" not in tiny.tasks
    with pytest.raises(TaskError, match="no task 'one' was added"):
        tiny.run("one", ["red lamp"])
    with pytest.raises(TaskError, match="no task 'one' was added"):
        tiny.remove("one")
    write_dpf(tmp_path / "another.dpf", made_diff(tiny_base, ONE, 77))
    tiny.add(tmp_path / "another.dpf")
    assert tiny.run("one", ["red lamp"]) == run(tiny_base, tmp_path / "another.dpf", ["red lamp"]) != before
    assert tiny.run(["words", "one"], ["red lamp"]) != composed


def test_no_switch_waits_for_the_file_of_another_task(tiny, tiny_base, tmp_path):
    slow = tmp_path / "slow.dpf"
    write_dpf(slow, made_diff(tiny_base, made_task("slow")))
    content = slow.read_bytes()
    tiny.add(slow)
    slow.unlink()
    os.mkfifo(slow)  # whoever reads it waits until somebody writes
    reader = threading.Thread(target=tiny.activate, args=("slow",), daemon=True)
    other = threading.Thread(target=tiny.run, args=("one", ["red lamp"]), daemon=True)
    reader.start()
    with slow.open("wb") as pipe:  # the reader has opened it
        other.start()
        other.join(timeout=60)
        assert not other.is_alive()
        assert reader.is_alive()
        slow.unlink()
        slow.write_bytes(content)  # what is read for the diff, after the digest
        pipe.write(content)
    reader.join(timeout=60)
    assert tiny.tasks["slow"].uses == 1


def test_a_name_is_given_once(tiny, kinds):
    with pytest.raises(SettingError, match="a task 'one' was added already"):
        tiny.add(kinds["one"])
    tiny.add(kinds["one"], "again")
    assert tiny.run("again", ["red"]) == tiny.run("one", ["red"])


def test_tasks_of_one_name_in_their_files_are_cut_to_their_own_lengths(tiny, tiny_base, tmp_path):
    short = replace(ONE, max_length=4)
    write_dpf(tmp_path / "short.dpf", made_diff(tiny_base, short, 0))
    tiny.add(tmp_path / "short.dpf", "short")
    long, same = ["red lamp two big"], ["red lamp"]
    assert tiny.run("one", long) != tiny.run("short", long) == tiny.run("short", same)


def test_a_file_that_became_another_task_since_it_was_added_is_refused(tiny, tiny_base, tmp_path):
    path = tmp_path / "changing.dpf"
    write_dpf(path, made_diff(tiny_base, made_task("changing")))
    tiny.add(path)
    write_dpf(path, made_diff(tiny_base, made_task("changing", labels=("no", "yes", "maybe"))))
    with pytest.raises(TaskError, match="another file than was added: remove the task, add it again"):
        tiny.run("changing", ["red"])


@pytest.mark.parametrize("mode", ["live", "session"])
def test_a_file_that_was_replaced_never_gives_its_head_to_the_old_weights(mode, tiny_base, cache, tmp_path):
    files = [tmp_path / "one.dpf", tmp_path / "two.dpf"]
    for seed, file in enumerate(files):
        write_dpf(file, made_diff(tiny_base, made_task(file.stem), seed))
    with _opened(tiny_base, files, cache, mode) as base:
        before = base.run("one", ["red"])
        write_dpf(files[0], made_diff(tiny_base, made_task("one"), seed=2))
        with pytest.raises(TaskError, match=r"one\.dpf is another file than was added"):
            base.overlap(["one", "two"])
        assert base.run("one", ["red"]) == before
        base.remove("one")
        base.add(files[0])
        assert base.run("one", ["red"]) != before


def test_a_file_is_found_wherever_the_process_is_by_then(tiny_base, cache, tmp_path, monkeypatch):
    monkeypatch.chdir(tiny_base.parent)
    write_dpf(tmp_path / "one.dpf", made_diff(tiny_base, made_task("one")))
    with open_base(tiny_base.name, mode="session", cache=cache) as base:
        base.add(os.path.relpath(tmp_path / "one.dpf"))
        monkeypatch.chdir("/")
        assert base.run("one", ["red"])[0].label in ("no", "yes")


def test_a_head_of_another_width_is_refused(tiny, tiny_base, tmp_path):
    diff = made_diff(tiny_base, made_task("wide"))
    head = Head(np.zeros((2, 16), np.float32), np.zeros(2, np.float32))
    write_dpf(tmp_path / "wide.dpf", replace(diff, base=replace(diff.base, width=16), head=head))
    with pytest.raises(BaseMismatchError, match=r"wide\.dpf has a head of width 16, the base .* has 32"):
        tiny.add(tmp_path / "wide.dpf")


def test_what_onnxruntime_cannot_run_is_one_sentence(tiny):
    with pytest.raises(BundleError, match=r"^onnxruntime cannot run the base: [^\n]+$"):
        tiny.logits("one", TOKENS | {"input_ids": TOKENS["input_ids"].astype(np.float32)})


def test_a_file_for_another_base_is_refused_by_its_header_alone(tiny, tiny_base, tmp_path):
    diff = made_diff(tiny_base, ONE)
    first = replace(diff.tensors[0], shape=(*diff.tensors[0].shape, 2))
    data = bytearray(dumps(replace(diff, tensors=(first, *diff.tensors[1:]))))
    data[-100:] = bytes(100)  # nobody can decode it
    (tmp_path / "other.dpf").write_bytes(data)
    with pytest.raises(BaseMismatchError, match="of shape"):
        tiny.add(tmp_path / "other.dpf")


def test_a_file_that_is_damaged_or_of_another_base_hurts_no_other_task(tiny, tiny_base, kinds, tmp_path):
    data = bytearray(kinds["one"].read_bytes())
    data[-100] ^= 1
    (tmp_path / "damaged.dpf").write_bytes(data)
    tiny.add(tmp_path / "damaged.dpf", "damaged")  # its header is whole
    before = tiny.run("one", ["red"])
    with pytest.raises(FormatError, match=r"damaged\.dpf"):
        tiny.run("damaged", ["red"])
    other = made_diff(tiny_base, ONE)
    write_dpf(tmp_path / "other.dpf", replace(other, base=replace(other.base, fingerprint="0" * 64)))
    with pytest.raises(BaseMismatchError, match="0" * 64):
        tiny.add(tmp_path / "other.dpf")
    assert tiny.run("one", ["red"]) == before


def test_more_tasks_than_stay_prepared_answer_all_the_same(tiny_base, kinds, tmp_path):
    with open_base(tiny_base, mode="session", threads=1) as opened:
        wanted = opened.run(kinds["one"], ["red"])
        for number in range(MAX_PREPARED + 2):
            opened.add(kinds["one"], f"task{number}")
            opened.activate(f"task{number}")
        assert len(opened._prepared) == MAX_PREPARED
        assert opened.tasks["one"]._diff is None
        assert opened.run("one", ["red"]) == wanted


def test_a_pinned_task_runs_while_others_wait_and_refuses_them_in_its_own_block(tiny):
    with tiny.pinned("one"):
        for _ in range(20):
            tiny.run("one", ["red"])
        for ask in (lambda: tiny.run("words", ["red"]), tiny.close, tiny.deactivate):
            with pytest.raises(SettingError, match="leave that block first"):
                ask()
    assert tiny.tasks["one"].uses == 1
    assert tiny.run("words", ["red"])


def test_a_closed_base_answers_what_was_asked_before_and_nothing_after(tiny):
    inside, leave, results = threading.Event(), threading.Event(), []

    def hold():
        with tiny.pinned("one"):
            inside.set()
            leave.wait(PATIENCE)

    def ask():
        results.append(tiny.run("words", ["red"]))

    threads = [threading.Thread(target=hold)]
    threads[0].start()
    inside.wait(PATIENCE)
    for number, target in enumerate((ask, tiny.close, tiny.close)):
        threads.append(threading.Thread(target=target))
        threads[-1].start()
        while len(tiny._turns._waiting) <= number:
            time.sleep(0.001)
    leave.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert len(results) == 1
    tiny.close()  # a second time is no error
    for use in (lambda: tiny.run("one", ["red"]), lambda: tiny.activate("one"), tiny.deactivate):
        with pytest.raises(SettingError, match="is closed"):
            use()
    with pytest.raises(SettingError, match="is closed"):
        tiny.add("more.dpf")


def test_tasks_can_be_added_and_removed_while_others_look_and_run(tiny, kinds):
    wanted, wrong, done = tiny.run("one", ["red"]), [], threading.Event()

    def look():
        while not done.is_set():
            if not {"one", "words"} <= {task.name for task in tiny.tasks.values()}:
                wrong.append("a task is missing")
            if tiny.run("one", ["red"]) != wanted:
                wrong.append("another answer")

    def change(number):
        for _ in range(10):
            name = tiny.add(kinds["several"], f"more{number}").name
            tiny.run([name, "words"], ["red"])
            tiny.remove(name)

    lookers = [threading.Thread(target=look) for _ in range(2)]
    changers = [threading.Thread(target=change, args=(number,)) for number in range(3)]
    for thread in (*lookers, *changers):
        thread.start()
    for thread in changers:
        thread.join(PATIENCE)
    done.set()
    for thread in lookers:
        thread.join(PATIENCE)
    assert wrong == []
    assert list(tiny.tasks) == [task.name for task in TASKS]


def test_threads_that_name_one_new_file_add_it_once(tiny_base, kinds):
    with open_base(tiny_base, mode="session", threads=1) as opened:
        answers = []
        threads = [
            threading.Thread(target=lambda: answers.append(opened.run(kinds["one"], ["red"])))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        assert answers == [answers[0]] * 8
        assert list(opened.tasks) == ["one"]


FORKED = """
import os, sys
from edgediff.errors import SettingError
from edgediff.runtime import open_base
base = open_base(sys.argv[1], mode="session")
task = base.add(sys.argv[2]).name
pid = os.fork()
if pid == 0:
    for use in (lambda: base.run(task, ["red"]), base.close):
        try:
            use()
        except SettingError as error:
            sys.stdout.write(f"{error}\\n")
    sys.stdout.flush()
    os._exit(0)
os.waitpid(pid, 0)
print(base.run(task, ["red"])[0].label)
"""


def test_a_forked_process_is_told_to_open_the_base_itself(tiny_base, kinds):
    arguments = [sys.executable, "-W", "ignore", "-c", FORKED, str(tiny_base), str(kinds["one"])]
    result = subprocess.run(arguments, capture_output=True, text=True, timeout=PATIENCE)
    *refused, label = result.stdout.splitlines()
    assert refused == ["the base was opened before this process was forked: open it again in this one"] * 2
    assert label in LABELS


@pytest.mark.parametrize("mode", ["live", "session"])
def test_of_eight_threads_over_five_tasks_each_run_gets_its_own_tasks_answer(
    mode, tiny_base, cache, tmp_path
):
    feeds = Tokens(tiny_base, ONE)(["one red lamp", "two"])
    with open_base(tiny_base, mode=mode, threads=1, cache=cache) as opened:
        names = [f"task{number}" for number in range(5)]
        for number, name in enumerate(names):
            write_dpf(tmp_path / f"{name}.dpf", made_diff(tiny_base, made_task(name), number))
            opened.add(tmp_path / f"{name}.dpf")
        wanted = {name: opened.logits(name, feeds) for name in names}
        wrong = []

        def ask(seed):
            generator = np.random.default_rng(seed)
            for _ in range(150):
                name = str(generator.choice(names))
                if not np.array_equal(opened.logits(name, feeds), wanted[name]):
                    wrong.append(name)

        threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
    assert wrong == []
    assert len({logits.tobytes() for logits in wanted.values()}) == 5


def test_a_mode_that_is_none_is_refused(tiny_base):
    with pytest.raises(SettingError, match="mode is 'fast', expected one of auto, live, session"):
        open_base(tiny_base, mode="fast")
