"""Kill a training again and again, resume it each time, and compare it with one that nobody killed.

    python -m benchmarks.kill [--kills 20] [--seed 0]

A run of a tiny encoder writes a checkpoint after each step, so that many kills hit the writing of one. Each
row is a way to train; exit code 1 if any of its results differs by a bit from the unbroken one.
"""

import json
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import tokenizers
import torch
import transformers
import typer

from edgediff.train import Method, Precision, Settings, train
from edgediff.train.checkpoint import CHECKPOINT_FILE

WORDS = ("red", "green", "blue", "one", "two", "three", "big", "small", "loud", "quiet", "lamp", "door")
SETTINGS = Settings(method=Method.STRUCTURED, density=0.05, batch_size=16, precision=Precision.FP32)
WAYS = {
    "structured": SETTINGS,
    "early": replace(SETTINGS, method=Method.EARLY),
    "patience": replace(SETTINGS, patience=1000),
    "bits": replace(SETTINGS, bits=4),
}
STEPS_PER_KILL, ROWS = 6, 160

# A killed process cannot clean up after itself; that is what this is about.
os.environ["PYTHONWARNINGS"] = "ignore:resource_tracker"
transformers.utils.logging.disable_progress_bar()
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["edgediff.train", "datasets", "sklearn.metrics", "torch._dynamo"])


def make_model(folder: Path) -> None:
    """A random BERT of 22,000 parameters."""
    torch.manual_seed(0)
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = {word: number for number, word in enumerate((*special, *WORDS))}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordPiece(vocabulary, unk_token=special[1]))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = tokenizers.processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    names = {f"{name.strip('[]').lower()}_token": name for name in special}
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=32, **names
    ).save_pretrained(folder)
    config = transformers.BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_attention_heads=4,
        num_hidden_layers=2,
        intermediate_size=64,
        max_position_embeddings=32,
    )
    transformers.AutoModel.from_config(config).save_pretrained(folder)


def make_rows(folder: Path) -> None:
    """Is a colour among the words?"""
    choose = random.Random(0)  # noqa: S311 (no secret)
    task = {"name": "colours", "kind": "classification", "text": "text", "labels": ["no", "yes"]}
    (folder / "task.json").write_text(json.dumps(task))
    for name, count in (("train", ROWS), ("dev", 60)):
        texts = [choose.choices(WORDS, k=choose.randint(2, 6)) for _ in range(count)]
        rows = [{"text": " ".join(text), "label": int(bool({*text} & {*WORDS[:3]}))} for text in texts]
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))


def train_in(folder: Path, run: str, settings: Settings, resume: bool, steps: Connection) -> None:
    """Train, telling of each step; runs in a process of its own."""
    train(
        folder / "model",
        folder / run,
        task=folder / "task.json",
        train=folder / "train.jsonl",
        dev=folder / "dev.jsonl",
        settings=settings,
        resume=resume,
        progress=lambda *_: steps.send(None),
        checkpoint_seconds=0,
    )


def start(folder: Path, run: str, settings: Settings, resume: bool) -> tuple[Any, Connection]:
    """Begin a training; give its process, and what it tells of each step."""
    steps, theirs = _context.Pipe(duplex=False)
    process = _context.Process(target=train_in, args=(folder, run, settings, resume, theirs))
    process.start()
    theirs.close()
    return process, steps


def finish(process: Any, steps: Connection) -> int:
    """Wait for the end of a training; give the number of its steps.

    Raises:
        SystemExit: it failed.
    """
    count = 0
    with suppress(EOFError), steps:
        while True:
            steps.recv()
            count += 1
    process.join()
    if process.exitcode != 0:
        sys.exit(f"a training ended with exit code {process.exitcode}")
    return count


def kill_at(process: Any, steps: Connection, count: int, seconds: float) -> bool:
    """Kill a training some `seconds` after its next `count` steps; whether it had not ended before."""
    with suppress(EOFError):
        for _ in range(count):
            steps.recv()
    time.sleep(seconds)
    process.kill()
    process.join()
    steps.close()
    return bool(process.exitcode == -signal.SIGKILL)


def result_of(run: Path) -> tuple[bytes, Any, list[str]]:
    """What must not differ: the diff, the history and the names of the files."""
    history = json.loads((run / "train.json").read_text())["history"]
    return (run / "diff.safetensors").read_bytes(), history, sorted(path.name for path in run.iterdir())


def parts_in(run: Path) -> set[Path]:
    """Checkpoints that a killed process had begun to write."""
    return set(run.glob(f".{CHECKPOINT_FILE}.*.part"))


def kill_often(folder: Path, name: str, settings: Settings, kills: int, seed: int) -> bool:
    """Do one row of the table, and print it; whether the results are the same."""
    unbroken, broken = f"{name}-unbroken", f"{name}-broken"
    finish(*start(folder, unbroken, settings, resume=False))
    choose, done, before_any, in_writing = random.Random(f"{seed}/{name}"), 0, 0, 0  # noqa: S311
    while done < kills and not (folder / broken / "train.json").exists():
        run = start(folder, broken, settings, resume=(folder / broken).exists())
        # No step at all: any moment of loading and resuming. Else any moment of a step or so.
        count = choose.randint(0, STEPS_PER_KILL)
        parts = parts_in(folder / broken)
        if kill_at(*run, count, choose.random() * (0.02 if count else 0.5)):
            done += 1
            before_any += count == 0
            in_writing += bool(parts_in(folder / broken) - parts)
    left = finish(*start(folder, broken, settings, resume=(folder / broken).exists()))
    same = result_of(folder / unbroken) == result_of(folder / broken)
    print(
        f"{name:<12}{done:>6}{before_any:>16}{in_writing:>12}{left:>12}   {'same' if same else 'DIFFERENT'}"
    )
    return same and done == kills


def main(kills: int = 20, seed: int = 0) -> None:
    """Kill each way to train so many times."""
    epochs = max(kills * STEPS_PER_KILL * 16 / ROWS, 4.0)
    print(f"{'':<12}{'kills':>6}{'before a step':>16}{'in a write':>12}{'steps left':>12}   bits")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_model(folder / "model")
        make_rows(folder)
        same = [
            kill_often(folder, way, replace(settings, epochs=epochs), kills, seed)
            for way, settings in WAYS.items()
        ]
    if not all(same):
        sys.exit(1)


if __name__ == "__main__":
    typer.run(main)
