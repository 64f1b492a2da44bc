"""`edgediff bench`: what it measures, what it writes, and how it is stopped and resumed."""

import importlib
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from diffs import made_diff, made_task
from playwright.sync_api import sync_playwright
from typer.testing import CliRunner

from edgediff.bench import Effort, bench, make_plan
from edgediff.bench.in_process import pages
from edgediff.bench.plots import plots
from edgediff.bench.tables import tables
from edgediff.errors import OutputError, SettingError, StoppedError
from edgediff.format import read_dpf, write_dpf
from edgediff.format.bundle import WEIGHTS_FILE, read_manifest, read_parameter
from edgediff_cli.main import app

EFFORT = Effort(lengths=(4, 8, 4096), threads=(1,), rounds=2, starts=1)
PICTURES = Path(__file__).parents[1] / "build" / "pictures"
PHONE, DESK = (390, 844), (1280, 900)


@pytest.fixture(scope="module")
def files(tiny_base, tmp_path_factory):
    """Two tasks of the tiny base, with one name; the second has products too."""
    folder = tmp_path_factory.mktemp("bench-files")
    for number in range(2):
        write_dpf(folder / f"{number}.dpf", made_diff(tiny_base, made_task("colours"), number, rank=number))
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def rows(tiny_task):
    return tiny_task / "dev.jsonl"


@pytest.fixture(scope="module")
def measured(tiny_base, files, rows, tmp_path_factory):
    """The folder of a whole benchmark: two good files, one of another base, one that is none."""
    folder = tmp_path_factory.mktemp("bench")
    other, broken = folder / "other.dpf", folder / "broken.dpf"
    alien = made_diff(tiny_base, made_task("alien"))
    write_dpf(other, replace(alien, base=replace(alien.base, fingerprint="0" * 64)))
    damaged = bytearray(files[0].read_bytes())
    damaged[-60] ^= 1  # its header is whole
    broken.write_bytes(damaged)
    plan = make_plan(tiny_base, [files[0], other, files[1], broken], EFFORT)
    bench(plan.with_data({"colours": rows}), folder / "report")
    return folder / "report"


def test_every_measurement_is_in_the_report_and_lengths_beyond_the_base_are_left_out(measured):
    results = json.loads((measured / "report.json").read_text())
    assert results["complete"]
    found = results["measured"]
    assert list(found["runs on 1 threads"]) == ["4", "8"]
    assert found["equality"]["bit_equal"] == {"colours": True, "colours-2": True}
    assert found["switches"]["mode"] == "live"
    assert found["score of colours"]["metric"] == "accuracy"
    assert "score of colours-2" not in found
    times = [
        found["switches"]["switch"],
        found["starts"]["open_base"],
        found["runs on 1 threads"]["4"]["task"],
    ]
    for each in times:
        assert 0 < each["p50_ms"] <= each["p95_ms"]
    assert found["memory"]["tasks_mb"] > 0
    assert 0 < found["patch of colours"]["p50_ms"] <= found["patch of colours"]["p95_ms"]


def test_a_file_with_products_has_the_density_of_its_entries_and_counts_what_changes_as_a_whole(measured):
    about = json.loads((measured / "report.json").read_text())["tasks"]["colours-2"]["about"]
    row = next(
        line for line in (measured / "report.md").read_text().splitlines() if line.startswith("| colours-2")
    )
    cells = [cell.strip() for cell in row.split("|")]
    assert f"{about['nnz'] / about['base_parameters']:.2%}" in cells
    assert about["density"] == about["nnz"] / about["base_parameters"]
    assert cells[9:11] == [str(len(about["products"])), f"{about['factors']:,}"]


def test_pages_are_those_of_the_weights_file_that_a_patched_one_differs_in(tiny_base, files):
    manifest, diff = read_manifest(tiny_base), read_dpf(files[0])
    stored = np.fromfile(tiny_base / WEIGHTS_FILE, np.uint8)
    patched = stored.copy()
    tensors = {tensor.name: tensor for tensor in diff.tensors}
    for parameter in manifest.parameters:
        if parameter.name not in tensors:
            continue
        array = np.array(read_parameter(stored, parameter), order="C")
        array.reshape(-1)[tensors[parameter.name].indices] += 1
        raw = np.ascontiguousarray(array.T if parameter.transposed else array, "<f4").tobytes()
        patched[parameter.offset : parameter.offset + parameter.length] = np.frombuffer(raw, np.uint8)
    differs = np.unique(np.flatnonzero(stored != patched) // 4096)
    assert pages(manifest, diff) == len(differs) > 10


def test_a_file_of_another_base_and_a_broken_one_are_rows_with_their_reasons(measured):
    tasks = json.loads((measured / "report.json").read_text())["tasks"]
    assert list(tasks) == ["colours", "alien", "colours-2", "broken"]
    assert "was made for the base" in tasks["alien"]["refused"]
    assert "broken.dpf" in tasks["broken"]["refused"]
    text = (measured / "report.md").read_text()
    assert f"| {tasks['alien']['refused']}" in text
    assert tasks["colours"]["refused"] is None


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_a_browser_shows_every_picture_and_table_without_network_or_complaint(measured, size):
    PICTURES.mkdir(parents=True, exist_ok=True)
    browser_path = shutil.which("chromium")
    assert browser_path, "the tests need chromium: scripts/test installs it"
    said, asked = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": size[0], "height": size[1]})
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto((measured / "report.html").as_uri())
        page.screenshot(path=PICTURES / f"report-{size[0]}.png", full_page=True)
        pictures = [each.bounding_box() for each in page.locator("figure svg").all()]
        wide = page.evaluate("document.documentElement.scrollWidth")
        titles = page.locator("h2").all_inner_texts()
        browser.close()
    assert said == []
    assert asked == [(measured / "report.html").as_uri()]
    assert len(pictures) == 5
    assert all(box["width"] > 250 and box["height"] > 100 for box in pictures)
    assert wide <= size[0]  # wide tables scroll by themselves, not the page
    assert titles == ["Tasks", "Switching", "Runs", "Start and memory"]


def test_a_name_is_no_formula_and_ends_no_cell(measured):
    results = json.loads((measured / "report.json").read_text().replace("colours", r"$\\frac$|x"))
    assert r"$\frac$|x" in results["tasks"]
    assert len(plots(results)) == 5
    widths = {len(re.findall(r"(?<!\\)\|", line)) for line in tables(results)[0].markdown().splitlines()}
    assert len(widths) == 1


def test_an_interrupt_in_the_first_measurement_can_be_resumed_too(tiny_base, files, tmp_path, monkeypatch):
    module = importlib.import_module("edgediff.bench.bench")
    plan = make_plan(tiny_base, files, EFFORT)

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module.in_process, "first_use", interrupted)
        with pytest.raises(StoppedError, match="stopped before first use of colours, nothing is lost"):
            bench(plan, tmp_path / "report")
        with pytest.raises(StoppedError, match="stopped before first use of colours"):
            bench(plan, tmp_path / "report", resume=True)


def test_what_was_measured_before_an_interrupt_is_kept_and_not_measured_again(
    tiny_base, files, tmp_path, monkeypatch
):
    module = importlib.import_module("edgediff.bench.bench")
    plan = make_plan(tiny_base, files, EFFORT)

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module.in_process, "switches", interrupted)
        with pytest.raises(StoppedError, match="stopped before switches, nothing is lost"):
            bench(plan, tmp_path / "report")
    kept = json.loads((tmp_path / "report" / "report.json").read_text())
    assert not kept["complete"]
    assert list(kept["measured"]) == [
        *(f"{what} of {name}" for name in ("colours", "colours-2") for what in ("first use", "patch")),
        "equality",
    ]
    results = bench(plan, tmp_path / "report", resume=True)
    assert results["complete"]
    assert {name: results["measured"][name] for name in kept["measured"]} == kept["measured"]


def test_a_folder_that_exists_or_is_of_another_plan_is_refused(tiny_base, files, measured, tmp_path):
    plan = make_plan(tiny_base, files, EFFORT)
    before = (measured / "report.json").read_bytes()
    with pytest.raises(
        OutputError, match="exists already: name a folder that does not exist, or add --resume"
    ):
        bench(plan, measured)
    with pytest.raises(OutputError, match="was measured with other files or another effort"):
        bench(plan, measured, resume=True)
    with pytest.raises(OutputError, match=r"holds no report\.json that can be resumed"):
        bench(plan, tmp_path, resume=True)
    assert (measured / "report.json").read_bytes() == before


def test_no_usable_file_is_one_sentence(tiny_base, tmp_path):
    (tmp_path / "a.dpf").write_bytes(b"no diff")
    with pytest.raises(SettingError, match=r"no file can be measured: .*a\.dpf"):
        make_plan(tiny_base, [tmp_path / "a.dpf"])


def invoke(*arguments):
    return CliRunner().invoke(app, ["bench", *(str(argument) for argument in arguments)])


@pytest.fixture
def quick(monkeypatch):
    """The command with as little effort as the tests."""
    monkeypatch.setattr("edgediff.bench.QUICK", EFFORT)


def test_the_command_writes_the_reports_and_tells_of_rows_that_do_not_fit(
    tiny_base, files, rows, tmp_path, quick
):
    (tmp_path / "rows.jsonl").write_text('{"txt": "red", "label": "yes"}\n')
    out = tmp_path / "report"
    done = invoke(tiny_base, *files, "--out", out, "--data", rows, "--data", tmp_path / "rows.jsonl")
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in out.iterdir()) == ["report.html", "report.json", "report.md"]
    found = json.loads((out / "report.json").read_text())["measured"]
    assert "score" in found["score of colours"]
    assert "'text'" in found["score of colours-2"]["refused"]
    assert found["score of colours-2"]["refused"] in (out / "report.md").read_text()


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (["a", "b", "c"], "--data is given 3 times for 2 tasks"),
        (["red=rows.jsonl"], "with the tasks colours, colours-2"),
    ],
)
def test_data_that_belongs_to_no_task_is_refused(data, sentence, tiny_base, files, tmp_path):
    given = [part for name in data for part in ("--data", name)]
    done = invoke(tiny_base, *files, "--out", tmp_path / "report", *given)
    assert done.exit_code == 1
    assert sentence in done.output
    assert not (tmp_path / "report").exists()
