"""Defects made on purpose, and the promise that a bench finds them."""

import inspect
import re
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from sim.runner import SimulationError

ELABORATE = "elaborate"


class Defect:
    """In the source of `member` of `target` (a class or a module), `old` becomes `new`.

    One that no longer fits the source fails already when tests are collected.
    """

    def __init__(self, target: Any, member: str, old: str, new: str) -> None:
        self.target, self.member, self.old, self.new = target, member, old, new
        before: Any = vars(target)[member]
        function: Any = before.fget if isinstance(before, property) else before
        source = textwrap.dedent(inspect.getsource(function))
        assert source.count(old) == 1, f"{self} no longer fits the source: choose another defect"
        self._source, self._names = source.replace(old, new), vars(sys.modules[function.__module__])

    def __str__(self) -> str:
        return f"{self.target.__name__}.{self.member}: {self.old} -> {self.new}"

    def apply(self, patch: pytest.MonkeyPatch) -> None:
        """Replace the member, for one test, by one made of the changed source."""
        made: dict[str, Any] = {}
        exec(self._source, self._names, made)
        patch.setattr(self.target, self.member, made[self.member])


class Mutant(Defect):
    """A defect that `bench` must find on `block`; `options` is what else this run of the bench is told."""

    def __init__(self, bench: str, block: Any, target: Any, member: str, old: str, new: str, **options: bool) -> None:
        self.bench, self.block, self.options = bench, block, options
        super().__init__(target, member, old, new)

    def __str__(self) -> str:
        return f"{self.bench}: {super().__str__()}"


def each_mutant(quick: Sequence[Mutant], slow: Sequence[Mutant]) -> pytest.MarkDecorator:
    """A test for each one: the quick ones in every run, the slow ones where all tests are run."""
    chosen = [pytest.param(mutant, id=str(mutant)) for mutant in quick]
    chosen += [pytest.param(mutant, id=str(mutant), marks=pytest.mark.slow) for mutant in slow]
    return pytest.mark.parametrize("mutant", chosen)


@contextmanager
def found_by(bench: str) -> Iterator[None]:
    """It is the bench that must complain: a defect that stops emission or a simulator's build would prove nothing."""
    with pytest.raises(SimulationError, match=rf"sim\.bench_{bench} failed on icarus") as caught:
        yield
    assert re.search(rf"sim\.bench_{bench}\.\w+ +FAIL", str(caught.value))
