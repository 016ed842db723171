"""Names of ports that a tool behind the Verilog could not keep."""

from dataclasses import dataclass
from typing import Any

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.block import Hardware
from hdl.emit import emit


@dataclass(frozen=True)
class Follower:
    """A register behind a port of a given name."""

    port: str

    name = "follower"

    @property
    def signature(self) -> wiring.Signature:
        return wiring.Signature({self.port: In(1), "o": Out(1)})

    def create(self) -> "FollowerHardware":
        return FollowerHardware(self)


class FollowerHardware(Hardware):
    o: Signal

    def __init__(self, block: Follower) -> None:
        self.block = block
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.d.sync += self.o.eq(getattr(self, self.block.port))
        return m


@pytest.mark.parametrize("port", ["short", "double", "new"])
def test_a_keyword_of_cplusplus_is_no_name_of_a_port(port: str) -> None:
    with pytest.raises(RuntimeError, match=f"follower: a port is called '{port}', a keyword of C"):
        emit(Follower(port))
    assert f"input {port}ly;" in emit(Follower(f"{port}ly"))["follower.sv"]
