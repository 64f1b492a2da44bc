import string
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgediff.diff import GLUE_TASKS, Kind, Metric, Task
from edgediff.encoder import load_encoder
from edgediff.score import Answers, Rows, predictions, score
from edgediff.score.squad import squad_scores

TRUTH = np.array([0, 1, 1, 0, 1, 1])
GUESS = np.array([0, 1, 0, 0, 1, 1])
SEVERAL = Task("s", Kind.MULTI_LABEL, "text", labels=("a", "b", "c"), metric=Metric.F1)
ENTITIES = Task(
    "e",
    Kind.TOKEN_CLASSIFICATION,
    "words",
    labels=("O", "B-PER", "I-PER", "B-LOC", "I-LOC"),
    metric=Metric.F1,
)


def rows_of(targets):
    return Rows([""] * len(targets), None, targets)


def entities(*rows):
    return [np.array([ENTITIES.labels.index(label) for label in row.split()]) for row in rows]


def squad(predicted, *accepted):
    """F1 and exact match of one question."""
    scores = squad_scores([predicted], [Answers(accepted, (0,) * len(accepted))])
    return scores["f1"], scores["exact_match"]


@pytest.mark.parametrize("name", sorted(GLUE_TASKS))
def test_each_glue_task_gets_the_metrics_that_glue_reports(name):
    reported = {"mrpc": {"accuracy", "f1"}, "qqp": {"accuracy", "f1"}, "stsb": {"pearson", "spearman"}}
    wanted = reported.get(name, {"accuracy"} if name != "cola" else {"matthews_correlation"})
    task = GLUE_TASKS[name]
    scores = score(task, GUESS.astype(np.float32) if task.kind is Kind.REGRESSION else GUESS, rows_of(TRUTH))
    assert wanted <= scores.keys()
    assert task.metric in scores


def test_scores_are_those_of_the_textbook():
    assert score(GLUE_TASKS["mrpc"], GUESS, rows_of(TRUTH)) == {
        "accuracy": pytest.approx(5 / 6),
        "f1": pytest.approx(6 / 7),
    }
    matthews = score(GLUE_TASKS["cola"], GUESS, rows_of(TRUTH))["matthews_correlation"]
    assert matthews == pytest.approx((3 * 2 - 0 * 1) / np.sqrt(3 * 4 * 2 * 3))


def test_a_perfect_regression_scores_one():
    truth = np.array([1.0, 2.0, 4.0])
    scores = score(GLUE_TASKS["stsb"], 2 * truth, rows_of(truth))
    assert scores == {name: pytest.approx(1) for name in ("pearson", "spearman", "pearson_spearman")}


def test_constant_predictions_score_zero_without_a_warning():
    assert score(GLUE_TASKS["stsb"], np.ones(3), rows_of(np.array([1.0, 2.0, 3.0])))["pearson_spearman"] == 0


def test_f1_of_more_than_two_labels_is_the_macro_mean():
    task = Task("t", Kind.CLASSIFICATION, "text", labels=("a", "b", "c"), metric=Metric.F1)
    found = score(task, np.array([0, 1, 1]), rows_of(np.array([0, 1, 2])))["f1"]
    assert found == pytest.approx((1 + 2 / 3 + 0) / 3)


def test_several_labels_are_scored_over_all_of_them_together_and_by_whole_rows():
    wanted = rows_of(np.array([[1, 0, 1], [1, 0, 0], [0, 1, 0]], np.float32))
    found = np.array([[1, 0, 1], [0, 0, 0], [0, 1, 1]])  # three hits, one missed, one too many
    assert score(SEVERAL, found, wanted) == {"f1": pytest.approx(6 / 8), "accuracy": pytest.approx(1 / 3)}


def test_several_labels_of_which_none_is_ever_right_score_zero_without_a_warning():
    scores = score(SEVERAL, np.zeros((2, 3), np.int64), rows_of(np.zeros((2, 3), np.float32)))
    assert scores == {"f1": 0, "accuracy": 1}


def test_entities_count_when_they_are_whole():
    wanted = rows_of(entities("B-PER I-PER O B-LOC", "O B-PER O"))  # three entities
    found = entities("B-PER O O B-LOC", "O B-PER B-LOC")  # four, two of them right
    assert score(ENTITIES, found, wanted) == {
        "precision": pytest.approx(2 / 4),
        "recall": pytest.approx(2 / 3),
        "f1": pytest.approx(4 / 7),
        "accuracy": pytest.approx(5 / 7),
    }


def test_an_entity_of_the_right_words_and_the_wrong_type_is_wrong():
    scores = score(ENTITIES, entities("B-PER I-PER O"), rows_of(entities("B-LOC I-LOC O")))
    assert (scores["f1"], scores["accuracy"]) == (0, pytest.approx(1 / 3))


def test_an_entity_may_begin_with_an_inside_label_as_in_conll():
    scores = score(ENTITIES, entities("O I-LOC I-LOC"), rows_of(entities("O B-LOC I-LOC")))
    assert (scores["f1"], scores["accuracy"]) == (1, pytest.approx(2 / 3))


def test_rows_without_entities_score_zero_without_a_warning():
    scores = score(ENTITIES, entities("O O", "O"), rows_of(entities("O O", "O")))
    assert scores == {"f1": 0, "precision": 0, "recall": 0, "accuracy": 1}


@pytest.mark.parametrize(
    ("predicted", "accepted", "f1", "exact"),
    [
        ("The Eiffel Tower!", ["eiffel tower"], 1, 1),
        ("an apple, a pear", ["Apple pear"], 1, 1),
        ("blue-green", ["bluegreen"], 1, 1),  # punctuation goes, and parts no words
        ("the-atre", ["atre"], 0, 0),  # so this is the theatre, and no article
        ("bathe", ["ba"], 0, 0),
        ("£the£", ["£ £"], 1, 1),  # an article leaves a space
        ("  red\nhouse ", ["red house"], 1, 1),
        ("in the red house", ["a red door"], 2 * 1 / (3 + 2), 0),
        ("red red", ["red"], 2 * 1 / (2 + 1), 0),
        ("house red", ["red house"], 1, 0),
        ("two cats", ["dogs", "two black cats", "three cats"], 2 * 2 / (2 + 3), 0),
        ("two cats", ["two black cats", "Two Cats."], 1, 1),
        ("", [], 1, 1),
        ("the", [], 1, 1),
        ("red", [], 0, 0),
        ("", ["red"], 0, 0),
    ],
)
def test_an_answer_is_scored_by_the_rule_of_squad(predicted, accepted, f1, exact):
    assert squad(predicted, *accepted) == (pytest.approx(f1), exact)


def test_the_scores_of_answers_are_means_over_the_questions():
    task = Task("q", Kind.QUESTION_ANSWERING, "q", "c", None, metric=Metric.F1, answers="answers")
    targets = [
        Answers(("red",), (0,)),
        Answers(("big red",), (0,)),
        Answers((), ()),
        Answers(("blue",), (0,)),
    ]
    scores = score(task, ["red", "red", "", "green"], rows_of(targets))
    assert scores == {"f1": pytest.approx((1 + 2 / 3 + 1 + 0) / 4), "exact_match": 2 / 4}


PLAIN_WORDS = st.lists(
    st.text("abcdehnt", min_size=1, max_size=4).filter(lambda word: word not in ("a", "an", "the")),
    min_size=1,
    max_size=6,
)


@given(PLAIN_WORDS, st.randoms(use_true_random=False))
def test_case_articles_punctuation_and_white_space_do_not_count(words, choose):
    dressed = []
    for word in words:
        dressed += choose.choices(["the", "A", "an", "An,", "..."], k=choose.randint(0, 2))
        letters = "".join(choose.choice([letter, letter.upper()]) for letter in word)
        dressed.append(letters + choose.choice(["", *string.punctuation]))
    text = choose.choice([" ", "  ", "\t", "\n"]).join(dressed)
    assert squad(text, " ".join(words)) == (1, 1)


@given(PLAIN_WORDS, PLAIN_WORDS)
def test_f1_pairs_each_word_with_one_word_at_most(found, wanted):
    left, hits = list(wanted), 0
    for word in found:
        if word in left:
            left.remove(word)
            hits += 1
    precision, recall = hits / len(found), hits / len(wanted)
    f1 = 2 * precision * recall / (precision + recall) if hits else 0
    assert squad(" ".join(found), " ".join(wanted)) == (pytest.approx(f1), found == wanted)


def test_predictions_are_the_largest_logit_or_the_number_itself():
    logits = np.array([[0.1, 2.0], [3.0, -1.0]], np.float32)
    rows = rows_of(np.zeros(2, np.int64))
    assert predictions(GLUE_TASKS["sst2"], logits, rows, ()).tolist() == [1, 0]
    assert predictions(GLUE_TASKS["stsb"], logits[:, :1], rows, ()).tolist() == pytest.approx([0.1, 3.0])


def test_each_label_of_several_is_predicted_by_the_sign_of_its_logit():
    logits = [np.array([0.1, -0.1, 3.0], np.float32), np.array([-1.0, -2.0, -3.0], np.float32)]
    found = predictions(SEVERAL, logits, rows_of(np.zeros((2, 3), np.float32)), ())
    assert found.tolist() == [[1, 0, 1], [0, 0, 0]]


def test_a_word_is_predicted_by_its_first_token_and_a_cut_one_is_the_first_label(tiny_model):
    task = replace(ENTITIES, max_length=7)
    words = ["red", "elephant", "lamp"]  # tokens: 1, then 2 to 5, then cut
    features = load_encoder(tiny_model("bert")).task_tokenizer(task)([" ".join(words)])
    assert features[0].encoding.tokens[:3] == ["[CLS]", "red", "e"]
    assert features[0].cut
    scores = np.zeros((len(features[0]), len(task.labels)), np.float32)
    scores[:, 3] = 1
    scores[1, 1] = scores[2, 2] = 2
    (found,) = predictions(task, [scores], Rows([" ".join(words)], None, [], [words]), features)
    assert found.tolist() == [1, 2, 0]


def test_the_answers_of_rows_come_from_their_own_windows(tiny_model):
    task = Task("q", Kind.QUESTION_ANSWERING, "q", "c", None, answers="answers", max_length=12)
    contexts = ["one two three four five big small good bad loud quiet lamp", "lamp red"]
    features = load_encoder(tiny_model("bert")).task_tokenizer(task)(["red", "blue"], contexts)
    assert [feature.row for feature in features] == [0, 0, 1]
    logits = [np.zeros((len(feature), 2), np.float32) for feature in features]
    logits[1][-2] = 5  # the last word of the first row's second window
    logits[2][-2] = 3
    rows = Rows(["red", "blue"], contexts, [Answers(("one",), (0,)), Answers(("red",), (5,))])
    assert predictions(task, logits, rows, features) == ["lamp", "red"]
    logits[2][0] = 9
    assert predictions(task, logits, rows, features) == ["lamp", ""]
