"""`edgediff demo`: export, train, pack, score and answer, with the library's own functions."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgediff.encoder.encoder import DEMO_MODEL
from edgediff.errors import OutputError
from edgediff.export import export
from edgediff.format import inspect
from edgediff.pack import pack
from edgediff.runtime import Answer, Evaluation, eval, run
from edgediff.train import Settings, train
from edgediff.train.loop import Progress

DATA = Path(__file__).parent / "voice_commands"
SENTENCES = (
    "could you make it a bit brighter in here",
    "i want to hear something by the paper lanterns",
    "do i need an umbrella this afternoon",
    "get me up at half past six tomorrow",
    "we're out of oat milk",
)
SETTINGS = Settings()


@dataclass(frozen=True)
class Demo:
    """What the demo leaves behind.

    Attributes:
        base: the base bundle.
        dpf: the packed task.
        file_bytes: its size.
        evaluation: its score on the held-out rows, on onnxruntime.
        answers: one for each of `SENTENCES`.
    """

    base: Path
    dpf: Path
    file_bytes: int
    evaluation: Evaluation
    answers: list[Answer]


def demo(
    folder: str | Path, *, say: Callable[[str], None] | None = None, progress: Progress | None = None
) -> Demo:
    """Export MiniLM, learn twelve voice commands as a diff, pack it, patch it into onnxruntime and ask it.

    Makes `folder` with `base/`, `run/` and `voice-commands.dpf` in it. `say` gets a line for each step.

    Raises:
        OutputError: `folder` exists or cannot be written.
        EdgeDiffError: as the functions it calls.
    """
    say = say or (lambda _: None)
    folder = Path(folder)
    base, run_folder, dpf = folder / "base", folder / "run", folder / "voice-commands.dpf"
    try:
        folder.mkdir()
    except OSError as error:
        raise OutputError(f"cannot create {folder}: {error.strerror or error}") from error

    say(f"$ edgediff export {DEMO_MODEL} {base}")
    manifest = export(DEMO_MODEL, base)
    say(f"  {manifest.base.name}: {manifest.base.parameters:,} parameters")

    files = f"--train {DATA / 'train.jsonl'} --dev {DATA / 'dev.jsonl'}"
    say(f"$ edgediff train {DEMO_MODEL} {run_folder} --task {DATA / 'task.toml'} {files}")
    record = train(
        DEMO_MODEL,
        run_folder,
        task=DATA / "task.toml",
        train=DATA / "train.jsonl",
        dev=DATA / "dev.jsonl",
        settings=SETTINGS,
        progress=progress,
    )
    share = record["density"]
    say(f"  {record['nnz']:,} parameters changed, {share:.2%}; products of {record['factors']:,} numbers")

    say(f"$ edgediff pack {run_folder} {dpf}")
    pack(run_folder, dpf)
    file_bytes = inspect(dpf)["file_bytes"]
    say(f"  {file_bytes:,} bytes")

    say(f"$ edgediff eval {base} {dpf} --data {DATA / 'dev.jsonl'}")
    evaluation = eval(base, dpf, DATA / "dev.jsonl")
    say(f"  {evaluation.metric} {evaluation.score:.4f} on {evaluation.rows} held-out rows, phrased otherwise")

    answers = [each for each in run(base, dpf, SENTENCES) if isinstance(each, Answer)]
    for sentence, answer in zip(SENTENCES, answers, strict=True):
        say(f'$ edgediff run {base} {dpf} "{sentence}"')
        say(f"  {answer.label}  {answer.scores[str(answer.label)]:.3f}")
    return Demo(base, dpf, file_bytes, evaluation, answers)
