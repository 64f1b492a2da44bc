"""The rows that the Android demo's tasks learn from are what their kinds want."""

import re

import pytest

from android_demo.fixtures import rows

SPLITS = ("train", "dev")


@pytest.mark.parametrize("split", SPLITS)
def test_words_are_labelled_in_iob2(split):
    labels = set(rows.labels_of_words())
    for row in rows.command_words(split):
        assert len(row["words"]) == len(row["labels"]) > 0
        assert labels >= set(row["labels"])
        assert not any(re.search(r"[{}\s]", word) for word in row["words"])
        for before, label in zip(["O", *row["labels"]], row["labels"], strict=False):
            assert not label.startswith("I-") or before[1:] == label[1:], row


@pytest.mark.parametrize("split", SPLITS)
def test_half_of_the_pairs_have_one_intent(split):
    intents = {row["text"]: row["intent"] for row in rows.voice_commands(split)}
    pairs = rows.same_command(split)
    for row in pairs:
        same = intents[row["first"]] == intents[row["second"]]
        assert row["label"] == ("same" if same else "different")
    assert sum(row["label"] == "same" for row in pairs) * 2 == len(pairs)


def test_rows_are_the_same_each_time():
    assert rows.command_words("dev") == rows.command_words("dev")
    assert rows.same_command("dev") == rows.same_command("dev")
