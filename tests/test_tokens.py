from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

from edgediff.diff import Kind, Metric, Task
from edgediff.encoder import load_encoder
from edgediff.errors import DataError
from edgediff.tokens import Span, TaskTokenizer, best_span, first_tokens, join_words, split_words
from edgediff.tokens.spans import MAX_ANSWER_TOKENS

PLAIN = Task("p", Kind.CLASSIFICATION, "text", labels=("no", "yes"), max_length=12)
LABELLED = Task("w", Kind.TOKEN_CLASSIFICATION, "words", labels=("O", "B-X"), metric=Metric.F1, max_length=64)
ASKED = Task("q", Kind.QUESTION_ANSWERING, "q", "c", None, metric=Metric.F1, answers="answers", max_length=24)
KNOWN = ("red", "green", "blue", "one", "two", "three", "lamp", "big", "small", "loud")  # one token each

TEXTS = st.text(max_size=60) | st.lists(st.sampled_from([*KNOWN, "elephant", "naïve!"])).map(" ".join)
WORDS = st.lists(
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=6).filter(
        lambda word: not any(character.isspace() for character in word)
    )
    | st.sampled_from(KNOWN),
    max_size=12,
)


@pytest.fixture(scope="module")
def encoder(tiny_model):
    return load_encoder(tiny_model("bert"))


@pytest.fixture(scope="module", params=[False, True], ids=["spaces counted", "spaces trimmed"])
def byte_level(request):
    """A byte-level BPE tokenizer whose tokens begin with the space before a word."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=500,
        special_tokens=["<pad>", "<s>", "</s>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator([*KNOWN, *(f" {word}" for word in KNOWN)] * 5, trainer)
    tokenizer.post_processor = processors.RobertaProcessing(
        ("</s>", 2), ("<s>", 1), trim_offsets=request.param, add_prefix_space=False
    )
    return tokenizer


def ids(features):
    return [feature.encoding.ids for feature in features]


@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=4), st.integers(6, 40), st.booleans())
def test_tokens_are_those_of_transformers_cut_and_padded(encoder, rows, max_length, paired):
    texts, pairs = [left for left, _ in rows], [right for _, right in rows] if paired else None
    tokenizer = encoder.task_tokenizer(replace(PLAIN, max_length=max_length))
    features = tokenizer(texts, pairs)
    wanted = encoder.tokenize(texts, pairs, max_length)
    found = tokenizer.pad(features)
    assert found.keys() == wanted.keys()
    assert all(np.array_equal(found[name], wanted[name].numpy()) for name in found)
    whole = encoder.tokenizer(texts, pairs)["input_ids"]
    assert [feature.cut for feature in features] == [len(tokens) > max_length for tokens in whole]
    assert [feature.row for feature in features] == list(range(len(rows)))


def test_the_longer_text_of_a_pair_is_cut_first(encoder):
    (feature,) = encoder.task_tokenizer(PLAIN)(["red lamp"], ["big " * 20])
    assert feature.encoding.tokens == ["[CLS]", "red", "lamp", "[SEP]", *["big"] * 7, "[SEP]"]
    assert feature.cut


def test_the_encoders_own_limit_holds_whatever_the_task_says(encoder):
    tokenizer = encoder.task_tokenizer(replace(PLAIN, max_length=5000))
    assert tokenizer.max_length == encoder.max_length == 64
    assert len(tokenizer(["red " * 100])[0]) == 64


def test_setting_a_task_leaves_the_tokenizer_as_it_was(encoder):
    before = encoder.tokenizer.backend_tokenizer.to_str()
    encoder.task_tokenizer(ASKED)(["red"], ["big lamp"])
    assert encoder.tokenizer.backend_tokenizer.to_str() == before


@given(WORDS)
def test_words_joined_and_split_are_the_same_words(words):
    assert split_words(join_words(words)) == words


@given(WORDS)
def test_the_first_token_of_a_word_is_the_one_transformers_says(encoder, words):
    (feature,) = encoder.task_tokenizer(LABELLED)([join_words(words)])
    wanted = encoder.tokenizer(words, is_split_into_words=True, truncation=True, max_length=64)
    assert feature.encoding.ids == wanted["input_ids"]
    numbers = wanted.word_ids()
    places = [numbers.index(word) if word in numbers else -1 for word in range(len(words))]
    assert first_tokens(feature, words).tolist() == places


@given(WORDS)
def test_the_first_token_of_a_word_is_found_behind_the_space_it_begins_with(byte_level, words):
    (feature,) = TaskTokenizer(byte_level, replace(LABELLED, max_length=500), 500, {"input_ids": 0})(
        [join_words(words)]
    )
    first = first_tokens(feature, words)
    offsets = [tuple(pair) for pair in feature.encoding.offsets]
    begin = 0
    for number, word in enumerate(words):
        # A token of the word's first character, of the space before it, or of both.
        starts = (begin, max(begin - 1, 0))
        places = [i for i, (a, b) in enumerate(offsets) if a in starts and a < b <= begin + len(word)]
        assert first[number] == min(places)
        begin += len(word) + 1
    tokens = [feature.encoding.tokens[place] for place in first]
    assert all(token.startswith("Ġ") for token in tokens[1:] if byte_level_counts_spaces(byte_level))


def byte_level_counts_spaces(tokenizer):
    return tokenizer.encode("red lamp").offsets[2][0] == 3


def test_known_words_have_their_own_tokens_in_byte_level_bpe(byte_level):
    words = ["red", "elephant", "lamp", "é", "big"]
    (feature,) = TaskTokenizer(byte_level, LABELLED, 64, {"input_ids": 0})([join_words(words)])
    tokens = feature.encoding.tokens
    first = first_tokens(feature, words)
    assert [tokens[first[word]] for word in (0, 2, 4)] == ["red", "Ġlamp", "Ġbig"]
    assert tokens[first[1]].startswith("Ġ") or tokens[first[1] - 1] == "Ġ"
    assert first[3] < first[4]


def test_words_that_are_cut_off_have_no_token(encoder, byte_level):
    words = ["red", "big"] * 10
    (feature,) = encoder.task_tokenizer(replace(LABELLED, max_length=7))([join_words(words)])
    assert first_tokens(feature, words).tolist() == [1, 2, 3, 4, 5, *[-1] * 15]
    (feature,) = TaskTokenizer(byte_level, replace(LABELLED, max_length=7), 64, {"input_ids": 0})(
        [join_words(words)]
    )
    assert first_tokens(feature, words).tolist() == [1, 2, 3, 4, 5, *[-1] * 15]


def test_words_that_the_tokenizer_drops_have_no_token(encoder):
    words = ["red", "\u200d\x01", "big"]
    (feature,) = encoder.task_tokenizer(LABELLED)([join_words(words)])
    assert feature.encoding.tokens == ["[CLS]", "red", "big", "[SEP]"]
    assert first_tokens(feature, words).tolist() == [1, -1, 2]


@given(st.lists(st.sampled_from(KNOWN), max_size=80), st.lists(st.sampled_from(KNOWN), max_size=12))
def test_windows_cover_every_token_of_the_context_and_overlap(encoder, context, question):
    features = encoder.task_tokenizer(ASKED)([" ".join(question)], [" ".join(context)])
    overlap, seen = 24 // 3, []
    for feature in features:
        tokens = [feature.encoding.tokens[place] for place in np.flatnonzero(feature.sequence == 1)]
        assert len(feature) <= 24
        assert feature.encoding.tokens[: len(question) + 2] == ["[CLS]", *question, "[SEP]"]
        assert seen[max(len(seen) - overlap, 0) :] == (tokens[:overlap] if seen else [])
        seen += tokens[overlap:] if seen else tokens
    assert seen == context
    assert {(feature.row, feature.cut) for feature in features} == {(0, False)}


@given(st.lists(st.tuples(TEXTS.map(lambda text: text[:8]), TEXTS), min_size=1, max_size=3))
def test_windows_are_those_of_transformers(encoder, rows):
    task = replace(ASKED, max_length=36)
    questions, contexts = [question for question, _ in rows], [context for _, context in rows]
    wanted = encoder.tokenizer(
        questions,
        contexts,
        truncation="only_second",
        max_length=36,
        stride=12,
        return_overflowing_tokens=True,
    )
    features = encoder.task_tokenizer(task)(questions, contexts)
    assert ids(features) == wanted["input_ids"]
    assert [feature.row for feature in features] == wanted["overflow_to_sample_mapping"]
    for number, feature in enumerate(features):
        assert [None if part < 0 else part for part in feature.sequence] == wanted.sequence_ids(number)


@pytest.mark.parametrize("length", [13, 16, 20, 21, 22, 40])
def test_a_question_that_leaves_too_little_room_is_refused(encoder, length):
    with pytest.raises(DataError, match=rf"question 'red red .* has {length} tokens.*max_length is 24"):
        encoder.task_tokenizer(ASKED)(["big", "red " * length], ["lamp", "two " * 20])


@pytest.mark.parametrize("contexts", [None, [], ["one", "two"]])
def test_a_question_without_its_context_is_refused(encoder, contexts):
    with pytest.raises(DataError, match=r"found 1 questions and . contexts, expected one each"):
        encoder.task_tokenizer(ASKED)(["who"], contexts)


def test_a_long_question_is_fine_where_its_context_fits(encoder):
    features = encoder.task_tokenizer(ASKED)(["red " * 18], ["big blue lamp"])
    assert [len(feature) for feature in features] == [24]


CONTEXT = ["one", "two", "red", "lamp", "big"]


def window_logits(features):
    """Random start and end logits for each window, of a few values, so that ties occur too."""
    values = st.floats(-4, 4, width=32) | st.sampled_from([-1.0, 0.0, 1.0])
    return st.tuples(*(arrays(np.float32, (len(feature), 2), elements=values) for feature in features))


def every_span(features, logits, context):
    """All spans of at most 30 tokens, as (text, start, score)."""
    for feature, scores in zip(features, logits, strict=True):
        of_context = [i for i, part in enumerate(feature.encoding.sequence_ids) if part == 1]
        for start in of_context:
            for end in of_context:
                if start <= end < start + 30:
                    first, last = feature.encoding.offsets[start][0], feature.encoding.offsets[end][1]
                    yield context[first:last], first, float(scores[start, 0] + scores[end, 1])


@given(st.data(), st.integers(1, 40))
def test_the_best_span_is_the_best_of_all_starts_and_ends(encoder, data, length):
    words = (CONTEXT * 8)[:length]
    context = " ".join(words)
    features = encoder.task_tokenizer(ASKED)(["three small"], [context])
    logits = data.draw(window_logits(features))
    logits = [np.where(np.arange(len(scores))[:, None] == 0, -1e9, scores) for scores in logits]  # an answer
    found = best_span(features, logits, context)
    spans = list(every_span(features, logits, context))
    assert found.score == max(score for _, _, score in spans)
    assert (found.text, found.start, found.score) in spans


@given(st.data(), st.integers(1, 40))
def test_no_answer_wins_where_it_beats_every_span_in_every_window(encoder, data, length):
    context = " ".join((CONTEXT * 8)[:length])
    features = encoder.task_tokenizer(ASKED)(["three small"], [context])
    logits = data.draw(window_logits(features))
    nothing = min(float(scores[0, 0] + scores[0, 1]) for scores in logits)
    never = [np.where(np.arange(len(scores))[:, None] == 0, -1e9, scores) for scores in logits]
    best = best_span(features, never, context)
    wanted = Span("", 0, nothing) if nothing > best.score else best
    assert best_span(features, logits, context) == wanted


def test_no_answer_is_given_where_it_is_likelier_than_all_others(encoder):
    context = "one red lamp"
    features = encoder.task_tokenizer(ASKED)(["two"], [context])
    logits = np.zeros((len(features[0]), 2), np.float32)
    logits[0], logits[4] = 5, 2  # [CLS], and red behind [CLS] two [SEP] one
    assert best_span(features, [logits], context) == Span("", 0, 10)
    logits[0] = 1
    assert best_span(features, [logits], context) == Span("red", 4, 4)


def test_an_answer_never_lies_in_the_question_or_at_special_tokens(encoder):
    context = "one red lamp"
    features = encoder.task_tokenizer(ASKED)(["two big"], [context])
    logits = np.where(features[0].sequence[:, None] == 1, -50, 50) * np.ones((1, 2), np.float32)
    logits[0] = -60  # no answer
    logits[5] = -49  # red
    assert best_span(features, [logits], context) == Span("red", 4, -98)


def test_an_answer_has_at_most_thirty_tokens(encoder):
    assert MAX_ANSWER_TOKENS == 30
    words = [*CONTEXT * 8][:40]
    context = " ".join(words)
    features = encoder.task_tokenizer(replace(ASKED, max_length=64))(["two"], [context])
    logits = np.zeros((len(features[0]), 2), np.float32)
    begin = 3  # behind [CLS] two [SEP]
    logits[begin, 0], logits[begin + 29, 1], logits[begin + 30, 1] = 5, 2, 5
    found = best_span(features, [logits], context)
    assert (found.text, found.score) == (" ".join(words[:30]), 7)


def test_an_answer_begins_where_it_says_though_its_token_begins_with_a_space(byte_level):
    context = "one two red lamp"
    task = TaskTokenizer(byte_level, ASKED, 64, {"input_ids": 0})
    features = task(["big"], [context])
    tokens = features[0].encoding.tokens
    logits = np.zeros((len(tokens), 2), np.float32)
    logits[tokens.index("Ġred"), 0] = logits[tokens.index("Ġlamp"), 1] = 3
    assert best_span(features, [logits], context) == Span("red lamp", 8, 6)


def test_an_empty_context_has_no_answer(encoder):
    features = encoder.task_tokenizer(ASKED)(["two"], [""])
    logits = np.ones((len(features[0]), 2), np.float32)
    assert best_span(features, [logits], "") == Span("", 0, 2)


def test_a_batch_is_padded_with_what_each_input_says(encoder):
    tokenizer = TaskTokenizer(
        encoder.tokenizer.backend_tokenizer, PLAIN, 64, {"input_ids": 9, "attention_mask": 0}
    )
    found = tokenizer.pad(tokenizer(["red", "red big lamp"]))
    assert found["input_ids"][0, 3:].tolist() == [9, 9]
    assert found["attention_mask"].tolist() == [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]
    assert found.keys() == {"input_ids", "attention_mask"}
