import math

import pytest

from edgediff.train.feedback import L0Feedback


@pytest.mark.parametrize("scale", [1e-8, 1e-6, 1e-4])
def test_the_share_of_open_gates_reaches_its_target_whatever_the_tasks_scale(scale):
    """Gates that close at a rate growing with weight / scale, as a stand-in for a task of that scale."""
    steps, share = 600, 0.6
    feedback = L0Feedback(share, 0.03, steps)
    for step in range(steps):
        pressure = feedback.weight / scale
        share *= math.exp(-0.02 * pressure / (1 + pressure))
        feedback.update(step, share)
    assert share == pytest.approx(0.03, rel=0.5)


def test_the_target_falls_and_then_stays():
    feedback = L0Feedback(0.5, 0.03, 100)
    targets = [feedback.target(step) for step in range(100)]
    assert targets == sorted(targets, reverse=True)
    assert targets[80:] == pytest.approx([0.03] * 20)


def test_a_target_above_the_start_asks_for_nothing():
    feedback = L0Feedback(0.5, 3.0, 100)
    assert feedback.target(99) == 0.5
