"""Write the demo's labelled rows from the phrasings in `scripts/voice_commands/`, the same bytes each time.

    python scripts/make_voice_commands.py [--check]

With `--check` nothing is written: the exit status is 1 if the shipped files differ.
"""

import json
import random
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

PHRASINGS = Path(__file__).parent / "voice_commands"
SHIPPED = Path(__file__).parents[1] / "edgediff" / "demo" / "voice_commands"
ROUNDS = 100  # far more than any intent needs; a phrasing without a slot has few forms


def fill(frame: str, slots: dict[str, list[str]], rng: random.Random) -> str:
    """A phrasing with a filler in each of its slots."""
    return re.sub(r"{(\w+)}", lambda slot: rng.choice(slots[slot[1]]), frame)


def dress(kind: str, text: str, around: dict[str, list[str]], rng: random.Random) -> str:
    """A text as it is or, at times, with a word or two before or after it."""
    chance = rng.random()
    if kind == "sayings":
        return f"{rng.choice(around['before_saying'])} {text}" if chance < 0.25 else text
    if chance < 0.4:
        return f"{rng.choice(around['before_request'])} {text}"
    return f"{text} {rng.choice(around['after_request'])}" if chance < 0.55 else text


def rows(source: dict[str, Any], rng: random.Random) -> list[dict[str, str]]:
    """A split's rows in random order: as many for each intent, every phrasing used about equally often."""
    intent_of: dict[str, str] = {}
    for name, intent in source["intents"].items():
        phrasings = [(kind, frame) for kind in ("requests", "sayings") for frame in intent[kind]]
        filled: dict[str, str] = {}  # the kind of each text
        for _ in range(ROUNDS):
            rng.shuffle(phrasings)
            for kind, frame in phrasings:
                if len(filled) < source["rows_per_intent"]:
                    filled.setdefault(fill(frame, source["slots"], rng), kind)
        texts = {dress(kind, text, source["around"], rng) for text, kind in filled.items()}
        if len(texts) < source["rows_per_intent"] or not texts.isdisjoint(intent_of):
            raise SystemExit(f"{name} has too few different rows, or one that another intent has")
        intent_of |= dict.fromkeys(sorted(texts), name)
    made = [{"text": text, "intent": name} for text, name in intent_of.items()]
    rng.shuffle(made)
    return made


def make() -> dict[Path, str]:
    """The contents of the shipped files, train and dev having no phrasing and no row in common."""
    labels = tomllib.loads((SHIPPED / "task.toml").read_text("utf-8"))["labels"]
    contents: dict[Path, str] = {}
    seen: set[str] = set()
    for split in ("train", "dev"):
        source = tomllib.loads((PHRASINGS / f"{split}.toml").read_text("utf-8"))
        if list(source["intents"]) != labels:
            raise SystemExit(f"the intents of {split}.toml are not the labels of task.toml")
        made = rows(source, random.Random(0))  # noqa: S311 (a sample, no secret)
        new = {row["text"] for row in made}
        for intent in source["intents"].values():
            new |= {*intent["requests"], *intent["sayings"]}
        if shared := seen & new:
            raise SystemExit(f"in train and in dev: {sorted(shared)}")
        seen |= new
        contents[SHIPPED / f"{split}.jsonl"] = "".join(f"{json.dumps(row)}\n" for row in made)
    return contents


def main() -> None:
    """Write the files, or compare them."""
    contents = make()
    if sys.argv[1:] == ["--check"]:
        stale = [str(p) for p, text in contents.items() if not p.is_file() or p.read_bytes() != text.encode()]
        sys.exit(f"not as generated: {', '.join(stale)}" if stale else 0)
    for path, text in contents.items():
        path.write_text(text, "utf-8", newline="\n")


if __name__ == "__main__":
    main()
