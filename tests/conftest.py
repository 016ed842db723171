"""What all tests share."""

import os
import secrets

import pytest
from command import Run, command
from simulators import Require

from model.errors import HafnetError
from sim.tools import Tool, find

pytest_plugins = ["pytester"]  # sim.tools: what a missing simulator does to a session


def pytest_configure() -> None:
    """All processes of a run draw the same networks."""
    os.environ.setdefault("HAFNET_SEED", str(secrets.randbelow(10**9)))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--many", type=int, metavar="N", help="Draw N networks in test_sim_property.py, in place of 60.")


@pytest.fixture(scope="session")
def require_simulator() -> Require:
    """`require_simulator("icarus")` gives the simulator; a missing one skips the test, and fails it where CI=true."""

    def require(name: str) -> Tool:
        try:
            return find(name)
        except HafnetError as error:
            if os.environ.get("CI") == "true":
                pytest.fail(str(error))
            pytest.skip(str(error))

    return require


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """`run("train", folder)` gives exit code, standard output and standard error of the command."""
    return command(monkeypatch, capsys)


@pytest.fixture
def images_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Images reach the simulator even where they are not what the network gives, for tests that damage them."""
    monkeypatch.setattr("sim.folders.check_contents", lambda folder, contents: None)
