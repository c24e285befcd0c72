"""What connect() and serve() return can be used wherever a coroutine can, and more than once."""

import asyncio
import gc
import inspect
import sys
import threading
import warnings
from collections.abc import Coroutine

import pytest

from wsfast.asyncio.coroutines import LazyCoroutine


class Count(LazyCoroutine):
    """Counts how often it was run, and returns that, after a turn of the loop."""

    def __init__(self):
        super().__init__("count", "write `await count()`")
        self.times = self.cancelled = 0

    async def _run(self):
        self.times += 1
        times = self.times
        try:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return times


class Failure(Count):
    async def _run(self):
        await asyncio.sleep(0)
        raise KeyError("why")


async def run_in_thread(coroutine):
    loop, future = asyncio.get_running_loop(), None

    def submit():
        nonlocal future
        future = asyncio.run_coroutine_threadsafe(coroutine, loop)

    thread = threading.Thread(target=submit)
    thread.start()
    thread.join()
    return await asyncio.wrap_future(future)


async def run_in_group(coroutine):
    async with asyncio.TaskGroup() as group:
        task = group.create_task(coroutine)
    return task.result()


async def directly(coroutine):
    return await coroutine


WAYS = [
    directly,
    asyncio.create_task,
    asyncio.ensure_future,
    asyncio.gather,
    asyncio.shield,
    lambda coroutine: asyncio.wait_for(coroutine, 10),
    lambda coroutine: asyncio.get_running_loop().create_task(coroutine),
    run_in_thread,
    *([run_in_group] if sys.version_info >= (3, 11) else []),
]


@pytest.mark.parametrize("way", WAYS)
async def test_it_is_run_in_every_way_that_a_coroutine_is(way):
    result = await way(Count())
    assert result in (1, [1])


@pytest.mark.parametrize("way", WAYS)
async def test_it_is_run_anew_each_time(way):
    count = Count()
    await way(count)
    assert await way(count) in (2, [2])


@pytest.mark.parametrize("way", [way for way in WAYS if way is not run_in_group])
async def test_its_error_comes_out_of_waiting(way):
    with pytest.raises(KeyError):
        await way(Failure())


def test_a_loop_runs_it_until_it_is_complete(make_loop):
    loop = make_loop()
    try:
        assert loop.run_until_complete(Count()) == 1
    finally:
        loop.close()


def test_it_is_the_main_program():
    assert asyncio.run(Count()) == 1


@pytest.mark.skipif(sys.version_info < (3, 11), reason="new in Python 3.11")
def test_a_runner_runs_it(make_loop):
    with asyncio.Runner(loop_factory=make_loop) as runner:
        count = Count()
        assert [runner.run(count), runner.run(count)] == [1, 2]


def test_it_is_taken_for_a_coroutine():
    count = Count()
    assert asyncio.iscoroutine(count)
    assert inspect.isawaitable(count)
    assert isinstance(count, Coroutine)
    count.close()


async def test_tasks_and_whoever_awaits_run_it_side_by_side():
    count = Count()
    tasks = [asyncio.create_task(count) for _ in range(3)]
    assert await count == 1
    assert [await task for task in tasks] == [2, 3, 4]


async def test_a_task_is_named_after_the_call():
    task = asyncio.create_task(Count())
    assert "coro=<count()" in repr(task)
    await task


# Cancelling.


async def test_a_task_that_is_cancelled_before_its_start_runs_nothing():
    count = Count()
    task = asyncio.create_task(count)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert count.times == 0
    assert await count == 1


async def test_a_task_that_is_cancelled_cancels_what_it_runs_and_nothing_else():
    count = Count()
    one, other = asyncio.create_task(count), asyncio.create_task(count)
    await asyncio.sleep(0)
    one.cancel()
    with pytest.raises(asyncio.CancelledError):
        await one
    assert await other == 2
    assert count.cancelled == 1
    assert await asyncio.create_task(count) == 3


# By hand.


def test_it_returns_as_a_coroutine_does():
    count = Count()
    assert [count.send(None), count.send(None)] == [None, None]
    with pytest.raises(StopIteration) as caught:
        count.send(None)
    assert caught.value.value == 1


@pytest.mark.parametrize("started", [False, True])
def test_what_is_thrown_comes_out(started):
    count = Count()
    if started:
        count.send(None)
    with pytest.raises(KeyError):
        count.throw(KeyError())
    assert count.times == started


def test_closing_ends_what_was_begun():
    ended = []

    class Waiting(Count):
        async def _run(self):
            try:
                await asyncio.sleep(0)
            finally:
                ended.append(True)

    waiting = Waiting()
    waiting.send(None)
    waiting.close()
    assert ended == [True]
    waiting.close()


# Forgetting.


def warnings_of(function):
    """What is warned of while a function runs and what it made is deleted."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        function()
        gc.collect()
    return caught


def test_a_forgotten_await_is_warned_of_where_it_was_forgotten():
    (warning,) = warnings_of(lambda: Count() and None)
    assert warning.category is RuntimeWarning
    assert str(warning.message) == "count() was never awaited: write `await count()`"
    assert warning.filename == __file__


async def test_so_is_a_task_that_never_started():
    loop = asyncio.new_event_loop()

    def forget():
        task = loop.create_task(Count())
        task._log_destroy_pending = False
        loop.close()

    (warning,) = warnings_of(forget)
    assert "count() was never awaited" in str(warning.message)


def throw_into(count):
    with pytest.raises(KeyError):
        count.throw(KeyError())


@pytest.mark.parametrize(
    "use",
    [asyncio.run, lambda count: count.close(), lambda count: count.send(None), throw_into],
    ids=["awaited", "closed", "begun", "thrown into"],
)
def test_nothing_is_warned_of_what_was(use):
    assert not warnings_of(lambda: use(Count()))


def test_nothing_is_warned_of_what_was_never_made():
    class Broken(Count):
        def __init__(self):
            raise KeyError

    def fail():
        with pytest.raises(KeyError):
            Broken()

    assert not warnings_of(fail)
