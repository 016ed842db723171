"""The command `hafnet` as its user meets it, within the process of a test."""

import sys
from collections.abc import Callable

import pytest

import hafnet
from sim import steps
from sim.tables import plain_console

Run = Callable[..., tuple[int, str, str]]
"""The fixture `run`: `run("generate", folder)` gives exit code, standard output and standard error."""


def command(patch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: object) -> tuple[int, str, str]:
        patch.setattr(sys, "argv", ["hafnet", *map(str, arguments)])
        patch.setattr(steps, "console", plain_console(width=100))
        code = 0
        try:
            hafnet.main()
        except SystemExit as error:
            code = int(error.code or 0)
        out, err = capture.readouterr()
        return code, out, err

    return call
