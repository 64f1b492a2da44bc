"""What a step of each stage costs, in time and memory, against a step of full fine-tuning.

    python -m benchmarks.step [--tokens 26 128] [--precision fp32 bf16] [--steps 15]

Steps of all stages take turns in one process, and the ratio of medians is what counts; peak memory is that of
a process of its own for each stage. Rows are random words, batch 32, over MiniLM.
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import accelerate
import numpy as np
import torch

from edgediff.diff import Kind, Task
from edgediff.encoder import load_encoder
from edgediff.pack import top_k
from edgediff.score import Rows
from edgediff.train import Method, Precision, Settings, Shape
from edgediff.train.batches import TokenRows
from edgediff.train.dense_stage import DenseStage
from edgediff.train.factors import Factors
from edgediff.train.gate_stage import GateStage
from edgediff.train.loop import Loop
from edgediff.train.mask_stage import MaskStage
from edgediff.train.memory import peak_memory
from edgediff.train.methods import weights_of
from edgediff.train.model import make_model
from edgediff.train.stage import Stage

STAGES = ("dense", "gates", "gates of rows", "mask", "low-rank", "early-low-rank")
ROWS, WORDS = 2_048, 10_000
UNUSED = 2  # the first steps allocate
OPEN_STEPS = 10_000  # so long a stage has all its gates open in the first steps
MEMORY_STEPS = 6


def main() -> None:
    """Measure and print one table."""
    arguments = _arguments()
    if arguments.memory_of:
        precision = Precision(arguments.precision[0])
        loop, stage = _stage(arguments.memory_of, arguments.tokens[0], precision, OPEN_STEPS)
        for step in range(MEMORY_STEPS):
            loop.step(stage, step, step)
        print(json.dumps(peak_memory(torch.device("cpu"))))
        return
    columns = ("precision", "tokens", "stage", "step, ms", "/ full", "peak memory, MB", "/ full")
    print(f"| {' | '.join(columns)} |\n" + "|---" * len(columns) + "|")
    for precision in arguments.precision:
        for tokens in arguments.tokens:
            times = _times(tokens, Precision(precision), arguments.steps)
            memory = {stage: _memory(stage, tokens, precision) for stage in STAGES}
            for name, seconds in times.items():
                bytes_taken = memory[name.split(",")[0]]
                print(
                    f"| {precision} | {tokens} | {name} | {1000 * seconds:.0f}"
                    f" | {seconds / times['dense']:.2f}"
                    f" | {bytes_taken / 1e6:.0f} | {bytes_taken / memory['dense']:.2f} |",
                    flush=True,
                )


def _times(tokens: int, precision: Precision, steps: int) -> dict[str, float]:
    """The median seconds of a step of each stage, the stages taking turns."""
    made = {
        "dense": _stage("dense", tokens, precision, steps),
        "gates, all open": _stage("gates", tokens, precision, OPEN_STEPS),
        "gates, a whole stage": _stage("gates", tokens, precision, steps),
        "gates of rows, all open": _stage("gates of rows", tokens, precision, OPEN_STEPS),
        "gates of rows, a whole stage": _stage("gates of rows", tokens, precision, steps),
        "mask": _stage("mask", tokens, precision, steps),
        "low-rank": _stage("low-rank", tokens, precision, steps),
        "early-low-rank": _stage("early-low-rank", tokens, precision, steps),
    }
    times: dict[str, list[float]] = {name: [] for name in made}
    for step in range(steps):
        for name, (loop, stage) in made.items():
            started = time.perf_counter()
            loop.step(stage, step, step)
            times[name].append(time.perf_counter() - started)
    return {name: statistics.median(values[UNUSED:]) for name, values in times.items()}


def _memory(stage: str, tokens: int, precision: str) -> int:
    command = [sys.executable, "-m", "benchmarks.step", "--memory-of", stage]
    command += ["--tokens", str(tokens), "--precision", precision]
    return int(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))  # noqa: S603


def _stage(name: str, tokens: int, precision: Precision, steps: int) -> tuple[Loop, Stage]:
    """A stage over rows of `tokens` tokens each, in a loop of its own."""
    shape = Shape.ROW if name == "gates of rows" else Shape.ENTRY
    method = Method(name) if name in tuple(Method) else Method.STRUCTURED
    settings = Settings(method=method, shape=shape, precision=precision)
    encoder = load_encoder("minilm")
    task = Task("words", Kind.CLASSIFICATION, "text", labels=("no", "yes"))
    rows = _rows(sorted(encoder.tokenizer.vocab), tokens - 2)
    features = TokenRows(rows, encoder, task)
    model = make_model(encoder, task, 0, rows)
    accelerator = accelerate.Accelerator(cpu=True)
    folder = Path(tempfile.gettempdir())  # nothing is written
    loop = Loop(model, features, features, settings, folder, {}, lambda *_: None, accelerator)
    parameters = model.parameters_by_name()
    model.train()
    if name == "dense":
        return loop, DenseStage(model, parameters, settings, steps, settings.dense_rate)
    if name.startswith("gates"):
        return loop, GateStage(model, parameters, features.token_ids(), settings, steps, settings.kept_share)
    model.train(settings.drops)
    factors = None
    if settings.method.learns_products:
        factors = Factors(model, weights_of(encoder, settings), settings, rank=1)
    if settings.method is Method.LOW_RANK:
        return loop, MaskStage(model, {}, None, settings, steps, factors)
    # A mask spread over all tensors is the dearest: every parameter takes part in the backward pass.
    generator = torch.Generator().manual_seed(0)
    merit = {key: torch.rand(p.shape, generator=generator).numpy() for key, p in parameters.items()}
    mask = top_k(merit, round(settings.kept_share * encoder.base().parameters))
    return loop, MaskStage(model, mask, None, settings, steps, factors)


def _rows(vocabulary: list[str], words: int) -> Rows:
    choose = random.Random(0)  # noqa: S311 (rows, no secret)
    plain = choose.sample([word for word in vocabulary if word.isascii() and word.isalpha()], WORDS)
    picked = [choose.choices(range(WORDS), k=words) for _ in range(ROWS)]
    labels = np.array([sum(word % 2 for word in row) > words / 2 for row in picked], np.int64)  # to be learnt
    return Rows([" ".join(plain[word] for word in row) for row in picked], None, labels)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--tokens", type=int, nargs="+", default=[26, 128])
    parser.add_argument("--precision", nargs="+", default=["fp32", "bf16"], choices=["fp32", "bf16"])
    parser.add_argument("--steps", type=int, default=60, help="of a whole stage")
    parser.add_argument("--memory-of", choices=STAGES, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
