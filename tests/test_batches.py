from dataclasses import replace

import numpy as np
import pytest
import torch

from edgediff.diff import Kind, Metric, Task
from edgediff.encoder import load_encoder
from edgediff.score import Answers, Rows
from edgediff.train.batches import IGNORED, TokenRows, parts_of
from edgediff.train.model import make_model
from edgediff.train.notices import notices

CPU = torch.device("cpu")
TASKS = {
    Kind.CLASSIFICATION: Task("c", Kind.CLASSIFICATION, "text", labels=("a", "b", "c")),
    Kind.REGRESSION: Task("r", Kind.REGRESSION, "text", metric=Metric.PEARSON_SPEARMAN),
    Kind.MULTI_LABEL: Task("m", Kind.MULTI_LABEL, "text", labels=("a", "b", "c"), metric=Metric.F1),
    Kind.TOKEN_CLASSIFICATION: Task(
        "w", Kind.TOKEN_CLASSIFICATION, "words", labels=("O", "B-X", "I-X"), metric=Metric.F1
    ),
    Kind.QUESTION_ANSWERING: Task(
        "q", Kind.QUESTION_ANSWERING, "q", "c", None, metric=Metric.F1, answers="answers", max_length=15
    ),
}
ASKED = TASKS[Kind.QUESTION_ANSWERING]
LABELLED = TASKS[Kind.TOKEN_CLASSIFICATION]
LISTED = [["red"], ["big", "elephant", "lamp"], ["one", "two", "elephant"], ["a"] * 9, []]
LONG = "one two three four five big small good bad loud quiet lamp red green blue"


def rows_for(kind):
    """Five rows of different lengths."""
    texts = [" ".join(words) for words in LISTED]
    match kind:
        case Kind.CLASSIFICATION:
            return Rows(texts, None, np.array([0, 2, 1, 0, 1]))
        case Kind.REGRESSION:
            return Rows(texts, None, np.array([0.5, -1, 2, 3, 0], np.float32))
        case Kind.MULTI_LABEL:
            targets = [[1, 0, 1], [0, 0, 0], [1, 1, 1], [0, 1, 0], [0, 0, 1]]
            return Rows(texts, None, np.array(targets, np.float32))
        case Kind.TOKEN_CLASSIFICATION:
            return Rows(texts, None, [np.arange(len(words)) % 3 for words in LISTED], LISTED)
        case Kind.QUESTION_ANSWERING:
            contexts = [LONG, "red lamp", LONG, "big elephant lamp", "loud"]
            found = [("lamp red", 1), ("red", 1), ("", 0), ("elephant", 1), ("loud", 1)]
            targets = [
                Answers((text,) * count, (context.find(text),) * count)
                for (text, count), context in zip(found, contexts, strict=True)
            ]
            return Rows(["red", "what big lamp", "two", "big", "a"], contexts, targets)


@pytest.fixture(scope="module")
def encoder(tiny_model):
    return load_encoder(tiny_model("bert"))


def test_the_target_of_a_word_sits_at_its_first_token(encoder):
    rows = Rows(
        ["big elephant lamp", "red"], None, [np.array([1, 2, 0]), np.array([2])], LISTED[1:2] + LISTED[:1]
    )
    tokens = TokenRows(rows, encoder, LABELLED)
    batch = tokens.batch(torch.tensor([0, 1]), CPU)
    pieces = len(tokens.features[0]) - 4  # of elephant, beside [CLS], big, lamp and [SEP]
    assert pieces > 1
    first = [IGNORED, 1, 2, *[IGNORED] * (pieces - 1), 0, IGNORED]
    assert batch.targets.tolist() == [first, [IGNORED, 2, *[IGNORED] * (len(first) - 2)]]


def test_a_word_that_is_cut_off_has_no_target(encoder):
    rows = Rows(["red big lamp two"], None, [np.array([1, 2, 1, 2])], [["red", "big", "lamp", "two"]])
    tokens = TokenRows(rows, encoder, replace(LABELLED, max_length=4))
    assert tokens.batch(torch.tensor([0]), CPU).targets.tolist() == [[IGNORED, 1, 2, IGNORED]]
    assert (tokens.cut, tokens.terms(torch.tensor([0]))) == (1, 2)


def test_the_targets_of_a_question_are_its_answers_tokens_in_the_windows_that_hold_it(encoder):
    start = LONG.index("lamp red")
    rows = Rows(["two"], [LONG], [Answers(("lamp red", "one"), (start, 0))])
    tokens = TokenRows(rows, encoder, ASKED)
    targets = tokens.batch(torch.arange(len(tokens)), CPU).targets.tolist()
    held = 0
    for feature, (first, last) in zip(tokens.features, targets, strict=True):
        names = feature.encoding.tokens
        if "lamp" in names and "red" in names:
            assert (names[first], names[last], last - first) == ("lamp", "red", 1)
            held += 1
        else:
            assert (first, last) == (0, 0)
    assert 0 < held < len(tokens)


def test_an_answer_that_a_window_cuts_in_two_is_not_in_it(encoder):
    whole = TokenRows(Rows(["two"], [LONG], [Answers((LONG,), (0,))]), encoder, ASKED)
    assert whole.batch(torch.arange(len(whole)), CPU).targets.tolist() == [[0, 0]] * len(whole)
    assert len(whole) > 1


def test_a_word_of_the_question_is_no_target(encoder):
    rows = Rows(["red lamp"], ["red lamp"], [Answers(("red lamp",), (0,))])
    assert TokenRows(rows, encoder, ASKED).batch(torch.tensor([0]), CPU).targets.tolist() == [[4, 5]]


def test_an_answer_inside_a_word_is_that_words_tokens(encoder):
    rows = Rows(["red", "red"], ["big lamp two"] * 2, [Answers(("am",), (5,)), Answers(("g lam",), (2,))])
    targets = TokenRows(rows, encoder, ASKED).batch(torch.tensor([0, 1]), CPU).targets
    assert targets.tolist() == [[4, 4], [3, 4]]  # behind [CLS] red [SEP] big


def test_white_space_around_an_answer_does_not_hide_it(encoder):
    rows = Rows(["red"], ["big lamp two"], [Answers((" lamp ",), (3,))])
    assert TokenRows(rows, encoder, ASKED).batch(torch.tensor([0]), CPU).targets.tolist() == [[4, 4]]


def test_a_question_without_an_answer_points_at_the_first_token(encoder):
    rows = Rows(["red"], ["big lamp two"], [Answers((), ())])
    assert TokenRows(rows, encoder, ASKED).batch(torch.tensor([0]), CPU).targets.tolist() == [[0, 0]]


def test_rows_are_cut_by_count_and_windows_are_not(encoder):
    assert TokenRows(rows_for(Kind.CLASSIFICATION), encoder, TASKS[Kind.CLASSIFICATION]).cut == 0
    short = replace(TASKS[Kind.CLASSIFICATION], max_length=5)
    lengths = TokenRows(rows_for(Kind.CLASSIFICATION), encoder, TASKS[Kind.CLASSIFICATION]).lengths
    assert TokenRows(rows_for(Kind.CLASSIFICATION), encoder, short).cut == int((lengths > 5).sum()) == 3
    assert TokenRows(rows_for(Kind.QUESTION_ANSWERING), encoder, ASKED).cut == 0


@pytest.mark.parametrize("kind", list(Kind))
def test_the_loss_of_two_parts_is_that_of_the_whole_batch(encoder, kind):
    rows = rows_for(kind)
    tokens = TokenRows(rows, encoder, TASKS[kind])
    model = make_model(encoder, TASKS[kind], 0, rows).eval()  # dropout is off
    chosen = torch.arange(len(tokens))
    batch = tokens.batch(chosen, CPU)
    with torch.inference_mode():
        whole = model.loss(batch.inputs, batch.targets)
        parts = [tokens.batch(part, CPU) for _, part in parts_of(chosen, 2)]
        losses = [model.loss(part.inputs, part.targets) for part in parts]
    assert len(losses) == 2
    assert parts[0].inputs["input_ids"].shape[1] != parts[1].inputs["input_ids"].shape[1]  # other padding
    assert min(losses) > 0
    assert float(sum(losses)) == pytest.approx(float(whole), rel=1e-5)
    assert tokens.terms(chosen) == sum(tokens.terms(part) for _, part in parts_of(chosen, 2))


@pytest.mark.parametrize("kind", list(Kind))
def test_the_mean_loss_is_what_torchs_mean_losses_say(encoder, kind):
    rows = rows_for(kind)
    tokens = TokenRows(rows, encoder, TASKS[kind])
    model = make_model(encoder, TASKS[kind], 0, rows).eval()
    chosen = torch.arange(len(tokens))
    batch = tokens.batch(chosen, CPU)
    with torch.inference_mode():
        mean = model.loss(batch.inputs, batch.targets) / tokens.terms(chosen)
        logits = model(batch.inputs)
    cross_entropy = torch.nn.CrossEntropyLoss()
    match kind:
        case Kind.CLASSIFICATION:
            wanted = cross_entropy(logits, batch.targets)
        case Kind.REGRESSION:
            wanted = torch.nn.MSELoss()(logits.squeeze(), batch.targets)
        case Kind.MULTI_LABEL:
            wanted = torch.nn.BCEWithLogitsLoss()(logits, batch.targets)
        case Kind.TOKEN_CLASSIFICATION:
            wanted = cross_entropy(logits.view(-1, 3), batch.targets.view(-1))
        case Kind.QUESTION_ANSWERING:
            kept = [scores[: len(feature)] for scores, feature in zip(logits, tokens.features, strict=True)]
            losses = [
                cross_entropy(scores.T, target) for scores, target in zip(kept, batch.targets, strict=True)
            ]
            wanted = torch.stack(losses).mean()
    assert float(mean) == pytest.approx(float(wanted), rel=1e-5)


@pytest.mark.parametrize("kind", list(Kind))
def test_a_batch_without_labelled_words_still_has_a_term(encoder, kind):
    tokens = TokenRows(rows_for(kind), encoder, TASKS[kind])
    assert tokens.terms(torch.tensor([4])) == 1


def test_empty_parts_are_left_out():
    assert [(number, part.tolist()) for number, part in parts_of(torch.arange(2), 3)] == [(0, [0]), (1, [1])]


def test_the_note_on_rare_labels_counts_labels_where_a_row_has_several(encoder):
    targets = np.array([[1, 1, 0]] * 7 + [[1, 1, 1]], np.float32)
    rows = Rows(["red"] * 8, None, targets)
    tokens = TokenRows(rows, encoder, TASKS[Kind.MULTI_LABEL])
    assert notices(tokens, TASKS[Kind.MULTI_LABEL], "training") == [
        "labels are uneven: 17 in the training rows, among them only c 1"
    ]
