"""The whole road on one task, with full fine-tuning beside it, as a Markdown table.

    python -m benchmarks.road OUT --task sst2 --train FILE --dev FILE [--rows N] [--epochs N] [--seed N]

OUT keeps everything (base bundle, RUN folders, `.dpf` file, `road.json`); what is there already is not done
again, so an interrupted measurement goes on where it stopped.
"""

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from edgediff.export import export
from edgediff.format import inspect
from edgediff.pack import pack
from edgediff.runtime import eval, load_session
from edgediff.train import Method, Precision, Settings, train
from edgediff_cli.show import progress_bar


def main(
    out: Path,
    task: Annotated[str, typer.Option()],
    train_file: Annotated[Path, typer.Option("--train")],
    dev_file: Annotated[Path, typer.Option("--dev")],
    model: str = "minilm",
    rows: int | None = None,
    epochs: float = 5.0,
    full_epochs: float = 3.0,
    seed: int = 0,
    precision: Precision = Precision.AUTO,
) -> None:
    """Run what is not there yet and print the table."""
    out.mkdir(parents=True, exist_ok=True)
    record_file = out / "road.json"
    seconds: dict[str, float] = json.loads(record_file.read_text()) if record_file.is_file() else {}

    def timed(name: str, done: Path, work: Any) -> None:
        if not done.exists():
            started = time.perf_counter()
            work()
            seconds[name] = round(time.perf_counter() - started, 1)
            record_file.write_text(json.dumps(seconds, indent=2) + "\n")

    def learn(name: str, settings: Settings) -> dict[str, Any]:
        folder = out / name
        with progress_bar() as progress:
            timed(
                f"train {name}",
                folder / "train.json",
                lambda: train(
                    model,
                    folder,
                    task=task,
                    train=train_file,
                    dev=dev_file,
                    settings=settings,
                    rows=rows,
                    resume=True,
                    progress=progress,
                ),
            )
        record: dict[str, Any] = json.loads((folder / "train.json").read_text())
        return record

    base, dpf = out / "base", out / "task.dpf"
    timed("export", base, lambda: export(model, base))
    sparse = learn("diff", Settings(epochs=epochs, seed=seed, precision=precision))
    full = learn("full", Settings(method=Method.FULL, epochs=full_epochs, seed=seed, precision=precision))
    timed("pack", dpf, lambda: pack(out / "diff", dpf))
    started = time.perf_counter()
    load_session(base, dpf)
    seconds["load_session"] = round(time.perf_counter() - started, 2)
    print(_table(sparse, full, inspect(dpf), eval(base, dpf, dev_file).score, seconds))


def _table(
    sparse: dict[str, Any],
    full: dict[str, Any],
    file: dict[str, Any],
    packed: float,
    seconds: dict[str, float],
) -> str:
    metric = sparse["metric"]
    weights = 4 * sparse["base"]["parameters"]
    lines = [
        f"| {sparse['task']}, {sparse['rows']['train']:,} rows | {metric} | bytes | training, s |",
        "|---|---|---|---|",
        f"| full fine-tuning, torch | {full['scores']['dev'][metric]:.4f} | {weights:,} |"
        f" {seconds['train full']} |",
        f"| diff, torch | {sparse['scores']['dev'][metric]:.4f} | | {seconds['train diff']} |",
        f"| diff, packed, onnxruntime | {packed:.4f} | {file['file_bytes']:,} | |",
        "",
        f"{file['bits_per_nonzero']:.2f} bits a changed parameter (index {file['bits_per_index']:.2f}, value"
        f" {file['bits_per_value']:.2f}), {file['nnz']:,} of them; head {file['head_bytes']:,} bytes.",
        f"Seconds: {', '.join(f'{name} {value}' for name, value in seconds.items())}.",
    ]
    for record in (sparse, full):
        steps = [f"{s['name']} {s['step_seconds']} s a step" for s in record["stages"]]
        lines.append(f"{record['method']}: {', '.join(steps)}, {record['precision']}.")
    return "\n".join(lines)


if __name__ == "__main__":
    typer.run(main)
