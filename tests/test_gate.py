"""The gate lets today's sizes and logits through, and names what got worse.

Ratios of times hang on the machine: a slower switch is held against this one's own.
"""

import json
import time

import pytest

from benchmarks import gate
from edgediff.bench import Effort
from edgediff.runtime.modes import LiveMode

QUICK = Effort(lengths=(16, 64), threads=(1,), rounds=20, starts=1)


@pytest.fixture(scope="module")
def baseline():
    return json.loads(gate.BASELINE.read_text())


@pytest.fixture(scope="module")
def today(minilm_base, tmp_path_factory):
    return gate.measure(minilm_base, tmp_path_factory.mktemp("gate"), effort=QUICK)


def test_todays_sizes_logits_and_memory_pass(today, baseline):
    worse = gate.compare(today, baseline)
    timed = {name for name in baseline if name.startswith(("switch", "run", "start"))}
    assert worse.keys() - timed == set()
    assert "was not measured" not in worse.values()


def test_files_that_grow_by_three_percent_and_a_switch_that_slows_more_than_threefold_fail_by_name(
    minilm_base, today, baseline, tmp_path, monkeypatch
):
    activate = LiveMode.activate

    def slow(mode, key):
        started = time.perf_counter()
        activate(mode, key)
        time.sleep(2.5 * (time.perf_counter() - started))

    monkeypatch.setattr(LiveMode, "activate", slow)
    found = gate.measure(minilm_base, tmp_path, density=1.031 * gate.DENSITY, effort=QUICK)
    own = {name: held | {"value": today[name]} for name, held in baseline.items()}
    worse = gate.compare(found, own | {name: baseline[name] for name in baseline if "bytes" in name})
    assert {"bytes of task0", "bytes of task1", "switch / session of its own"} <= worse.keys()
    assert worse["bytes of task0"] == "worse than 1.727e+05 x 1.01"


def test_logits_that_are_other_ones_and_figures_without_a_baseline_fail():
    baseline = {
        "logits of a that are other ones": {"value": 0.0, "tolerance": 1},
        "gone": {"value": 1, "tolerance": 1},
    }
    worse = gate.compare({"logits of a that are other ones": 1.0, "new": 1.0}, baseline)
    assert worse == {
        "logits of a that are other ones": "worse than 0 x 1",
        "new": "not in the baseline: add it with a tolerance",
        "gone": "was not measured",
    }
