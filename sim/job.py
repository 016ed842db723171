"""What a bench is told and what it answers: two JSON files side by side."""

import json
import os
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter

from sim.runner import JOB, PARENT

T = TypeVar("T")


def load() -> Any:
    """The job of the bench that runs now."""
    return json.loads(Path(os.environ[JOB]).read_text(encoding="utf-8"))


def block(kind: type[T], members: Any) -> T:
    """A block of which the job has the members, with blocks within it as they were."""
    return TypeAdapter(kind).validate_python(members)


def answer(result: Any) -> None:
    """Leave the bench's result."""
    Path(os.environ[JOB]).with_name("result.json").write_text(json.dumps(result), encoding="utf-8")


def progress(done: int) -> None:
    """Say how far the bench is, for whoever waits for it; ends the simulation where nobody does any more."""
    if os.getppid() != int(os.environ[PARENT]):
        os._exit(1)  # that process was killed, and another one may want to work in this folder
    Path(os.environ[JOB]).with_name("progress").write_text(str(done), encoding="utf-8")
