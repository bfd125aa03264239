"""Keeps values out of Dagster's event log: an error that nobody foresaw is told by its kind and place alone.

What belongs here: what a failed step may say. Errors of our own are worded without values and pass as they are.
"""

import inspect
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

import dagster as dg

from warehouse.site import PROJECT

ROOMS = ("pipelines", "assets", "summaries", "models", "linkage", "feeds", "governance", "warehouse")


class StepFailed(Exception):
    """A step stopped on an error that nobody foresaw; says which step, what kind of error and where in our code."""


def guard(op: dg.OpDefinition) -> None:
    """Put the guard around an op's function, once.

    Rests on how dagster keeps a decorated function (`OpDefinition._compute_fn`); dagster is pinned to its minor
    version, and a test has a step fail.
    """
    decorated: Any = op.compute_fn
    if not hasattr(decorated.decorated_fn, "guarded"):
        op._compute_fn = decorated._replace(decorated_fn=guarded(op.name, decorated.decorated_fn))


def guard_all(assets: Iterable[dg.AssetsDefinition], jobs: Iterable[dg.JobDefinition]) -> None:
    """Guard every step of these assets and jobs."""
    for definition in assets:
        if isinstance(definition.node_def, dg.OpDefinition):
            guard(definition.node_def)
    for job in jobs:
        for node in job.graph.node_defs:
            if isinstance(node, dg.OpDefinition):
                guard(node)


def guarded(step: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, raising `StepFailed` for what nobody foresaw."""
    if inspect.isgeneratorfunction(function):

        @wraps(function)
        def run(*args: Any, **kwargs: Any) -> Iterator[Any]:
            with _silent(step):
                yield from function(*args, **kwargs)

    else:

        @wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            with _silent(step):
                return function(*args, **kwargs)

    run.guarded = True  # type: ignore[attr-defined]
    return run


@contextmanager
def _silent(step: str) -> Iterator[None]:
    failed: Exception
    try:
        yield
        return
    except Exception as error:  # noqa: BLE001 - whatever it is, its text may quote a value
        failed = error if ours(error) else StepFailed(_told(step, error))
    failed.__cause__ = failed.__context__ = None  # what it came of may quote one, too
    raise failed  # outside of the `except`, so that the error does not come along as its context


def ours(error: Exception) -> bool:
    """Whether we worded it: an error of one of our rooms, or one that says so to Dagster."""
    return isinstance(error, dg.Failure | dg.RetryRequested) or type(error).__module__.partition(".")[0] in ROOMS


def _told(step: str, error: Exception) -> str:
    return (
        f"step {step} stopped on {place(error)}. Its message is left out, as it may quote what the data hold. What was "
        "published stands. Run it again; if it stops again, give those who maintain Kinfold this sentence."
    )


def place(error: Exception) -> str:
    """What kind of error it is and where in our code, without its text."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames if Path(f.filename).is_relative_to(PROJECT) and ".venv" not in Path(f.filename).parts]
    inner = [frame for frame in ours if Path(frame.filename) != Path(__file__)]
    where = f"{Path(inner[-1].filename).relative_to(PROJECT)}:{inner[-1].lineno}" if inner else "outside of our code"
    why = f" ({error.strerror})" if isinstance(error, OSError) and error.strerror else ""
    return f"{type(error).__name__}{why} at {where}"
