"""The command `hafnet` as its user meets it, within the process of a test."""

import sys
import warnings
from collections.abc import Callable

import pytest

import hafnet
from sim import interrupts, steps
from sim.tables import plain_console

Run = Callable[..., tuple[int, str, str]]
"""The fixture `run`: `run("generate", folder)` gives exit code, standard output and standard error."""


def command(patch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: object) -> tuple[int, str, str]:
        patch.setattr(sys, "argv", ["hafnet", *map(str, arguments)])
        patch.setattr(steps, "console", plain_console(width=100))
        code, answering = 0, interrupts.end_at_once()
        try:
            with warnings.catch_warnings():
                hafnet.main()
        except SystemExit as error:
            code = int(error.code or 0)
        finally:
            interrupts.put_back(answering)  # it thinks that the process is its own
        out, err = capture.readouterr()
        return code, out, err

    return call
