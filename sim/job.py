"""What a bench is told and what it answers: two JSON files side by side."""

import json
import os
from pathlib import Path
from typing import Any

from sim.runner import JOB


def load() -> Any:
    """The job of the bench that runs now."""
    return json.loads(Path(os.environ[JOB]).read_text())


def answer(result: Any) -> None:
    """Leave the bench's result."""
    Path(os.environ[JOB]).with_name("result.json").write_text(json.dumps(result))


def progress(done: int) -> None:
    """Say how far the bench is, for whoever waits for it."""
    Path(os.environ[JOB]).with_name("progress").write_text(str(done))
