"""The scores of question answering, as SQuAD defines them (Rajpurkar et al., arXiv 1606.05250)."""

import re
import string
from collections import Counter
from collections.abc import Sequence

from edgediff.score.labels import Answers

_PUNCTUATION = str.maketrans("", "", string.punctuation)


def squad_scores(predicted: Sequence[str], targets: Sequence[Answers]) -> dict[str, float]:
    """F1 over the words and the share of exact matches, each the best over the accepted answers, from 0 to 1.

    A question without accepted answers is right if the prediction is empty.
    """
    f1 = exact = 0.0
    for text, answers in zip(predicted, targets, strict=True):
        found = _words(text)
        accepted = [_words(answer) for answer in answers.texts] or [[]]
        f1 += max(_f1(found, wanted) for wanted in accepted)
        exact += any(found == wanted for wanted in accepted)
    return {"f1": f1 / len(targets), "exact_match": exact / len(targets)}


def _words(text: str) -> list[str]:
    """Lower-case words without punctuation and articles."""
    plain = text.lower().translate(_PUNCTUATION)
    return re.sub(r"\b(a|an|the)\b", " ", plain).split()


def _f1(found: list[str], wanted: list[str]) -> float:
    if not found or not wanted:
        return float(found == wanted)
    common = sum((Counter(found) & Counter(wanted)).values())
    return 2 * common / (len(found) + len(wanted))
