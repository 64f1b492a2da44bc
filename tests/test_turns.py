"""Who may run when, with real threads; whoever waits longer than `PATIENCE` waits for ever."""

import os
import random
import signal
import threading
import time
from contextlib import contextmanager

import pytest

from edgediff.errors import SettingError
from edgediff.runtime.turns import LARGEST_BATCH, Turns

PATIENCE = 20


class Run:
    """A thread that asks for a key and holds it until it is told to leave."""

    def __init__(self, turns, key, pins=False):
        self.inside, self.told, self.error = threading.Event(), threading.Event(), None
        self.thread = threading.Thread(target=self._hold, args=(turns, key, pins))
        self.thread.start()

    def _hold(self, turns, key, pins):
        try:
            with turns.of(key, pins):
                self.inside.set()
                assert self.told.wait(PATIENCE)
        except BaseException as error:
            self.error = error

    def leave(self):
        self.told.set()
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive()


class Recorded(Turns):
    """Turns that note their switches; keys that begin with "bad" fail."""

    def __init__(self):
        super().__init__(self._note)
        self.switches = []

    def _note(self, key):
        self.switches.append(key)
        if key == "bad interrupt":
            raise KeyboardInterrupt
        if str(key).startswith("bad"):
            raise ValueError(key)


@pytest.fixture
def turns():
    return Recorded()


def inside(runs):
    """Wait until all are inside."""
    assert all(run.inside.wait(PATIENCE) for run in runs)


def wait_for(condition):
    """Wait until something is so."""
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.001)


def queued(turns, key, pins=False):
    """A run that has to wait, and does by now."""
    before = len(turns._waiting)
    run = Run(turns, key, pins)
    wait_for(lambda: len(turns._waiting) == before + 1)
    return run


@contextmanager
def held(turns, key, pins=False):
    """Another thread is inside for the block."""
    run = Run(turns, key, pins)
    inside([run])
    yield run
    run.leave()


def test_runs_of_one_task_go_side_by_side(turns):
    runs = [Run(turns, "a") for _ in range(5)]
    inside(runs)  # all at once, since none leaves before it is told
    for run in runs:
        run.leave()
    assert turns.switches == ["a"]


def test_a_switch_never_overlaps_a_run_and_every_run_has_its_task():
    active, running, wrong = [None], [0], []
    guard = threading.Lock()

    def switch(key):
        if running[0]:
            wrong.append("a switch while runs are under way")
        active[0] = "nothing"
        time.sleep(0)
        active[0] = key

    turns = Turns(switch)

    def ask(seed):
        choose = random.Random(seed)
        for _ in range(300):
            key = choose.choice("abcde")
            with turns.of(key, pins=choose.random() < 0.1):
                with guard:
                    running[0] += 1
                for _ in range(3):
                    if active[0] != key:
                        wrong.append(f"{active[0]} for {key}")
                    time.sleep(0)
                with guard:
                    running[0] -= 1

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    assert wrong == []
    assert (turns._running, turns._pinned, turns._waiting) == (0, 0, [])


def test_no_more_than_a_batch_of_runs_joins_while_another_task_waits(turns):
    with held(turns, "a"):
        waiter = queued(turns, "b")
        joined = [Run(turns, "a") for _ in range(LARGEST_BATCH)]
        inside(joined)
        late = queued(turns, "a")
        for run in joined:
            run.leave()
        assert not waiter.inside.is_set()
    inside([waiter])
    assert not late.inside.is_set()
    waiter.leave()
    inside([late])
    late.leave()
    assert turns.switches == ["a", "b", "a"]


def test_one_waiter_is_served_again_and_again_while_others_hammer(turns):
    stop = threading.Event()

    def hammer():
        while not stop.is_set():
            with turns.of("a"):
                time.sleep(0.0005)

    threads = [threading.Thread(target=hammer) for _ in range(4)]  # one is always inside
    for thread in threads:
        thread.start()
    for _ in range(20):
        with held(turns, "b"):
            pass
    stop.set()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    assert set(turns.switches) == {"a", "b"}


def test_alternating_callers_share_switches(turns):
    with held(turns, "a"):
        waiting = [queued(turns, key) for key in "bcbcbc"]
    inside(waiting[::2])
    assert not any(run.inside.is_set() for run in waiting[1::2])
    for run in waiting[::2]:
        run.leave()
    inside(waiting[1::2])
    for run in waiting[1::2]:
        run.leave()
    assert turns.switches == ["a", "b", "c"]


def test_an_error_in_a_switch_reaches_those_who_asked_and_the_next_one_works(turns):
    with held(turns, "a"):
        failing = [queued(turns, "bad"), queued(turns, "bad")]
        other = queued(turns, "b")
    inside([other])
    for run in failing:
        run.thread.join(PATIENCE)
    assert [repr(run.error) for run in failing] == ["ValueError('bad')"] * 2
    other.leave()
    assert other.error is None
    assert turns.switches == ["a", "bad", "b"]


def test_after_a_switch_that_failed_the_task_that_was_active_is_switched_to_anew(turns):
    for key in ("a", "bad", "a"):
        Run(turns, key).leave()
    assert turns.switches == ["a", "bad", "a"]


def test_an_error_in_a_run_lets_the_next_one_in(turns):
    with pytest.raises(ZeroDivisionError), turns.of("a"):
        raise ZeroDivisionError
    with held(turns, "b"):
        pass


def test_an_interrupt_in_a_switch_reaches_one_thread_alone(turns):
    with held(turns, "a"):
        interrupted, other = queued(turns, "bad interrupt"), queued(turns, "b")
    inside([other])
    for run in (interrupted, other):
        run.leave()
    assert (type(interrupted.error), other.error) == (KeyboardInterrupt, None)


def test_an_interrupt_of_a_waiting_thread_leaves_the_line_in_order(turns):
    with held(turns, "a"):

        def interrupt():
            wait_for(lambda: turns._waiting)
            os.kill(os.getpid(), signal.SIGINT)

        thread = threading.Thread(target=interrupt)
        thread.start()
        with pytest.raises(KeyboardInterrupt), turns.of("b"):
            pass
        thread.join()
    with held(turns, "c"):
        pass
    assert turns.switches == ["a", "c"]


def test_any_number_of_runs_joins_a_pinned_task_while_another_waits(turns):
    with turns.of("a", pins=True):
        waiter = queued(turns, "b")
        for _ in range(2 * LARGEST_BATCH):
            with turns.of("a"):
                pass
        for _ in range(2 * LARGEST_BATCH):
            with held(turns, "a"):
                pass
        with turns.of("a", pins=True):
            pass
        assert not waiter.inside.is_set()
    inside([waiter])
    waiter.leave()


def test_a_thread_that_keeps_one_task_active_is_refused_another(turns):
    with turns.of("a", pins=True):
        for key in ("b", None):
            with pytest.raises(SettingError, match="leave that block first"), turns.of(key):
                pass
    with turns.of("b"):
        pass
