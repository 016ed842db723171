"""What is claimed of a write on AXI4-Lite whose strobes are all low, as a bridge from a wider bus makes them: wherever
it goes, it is answered OKAY, and nothing changes.
"""

from typing import Any

from amaranth.hdl import Assert, Cat, Cover, Module, Signal, Value

from hdl.arrays.programmer import CONFIGURATION
from hdl.registers import HostRegisters, Register
from hdl.streams.axi_lite import Response
from sim.formal import Claims

KEPT = {
    **{name: (f"programming.{name}", 16) for name in ("layer", "group", "tile", "index")},
    "configuration": ("programming.configuration", CONFIGURATION.size),
    "expected": ("programming.expected", 32),
    "protect": ("protect", 32),
    "irq_enable": ("irq_enable", 2),
    "trust": ("trust", 1),
    "unlocked": ("unlocked", 1),
}
"""Registers that only the host changes, besides READ_TIMING, which is seen at a port, and DATA."""
CLEARED = {"irq_status": 2, "packet_error": 1}
"""Registers whose bits events set and the host clears."""


class WriteClaims(Claims):
    """Claims on `HostRegisters`, from the writes on its AXI4-Lite port to everything that a write changes."""

    axil: Any
    timing: Any
    data: Signal
    has_address: Signal
    has_data: Signal
    strobes: Signal
    start: Signal
    pop: Signal
    load: Signal

    def __init__(self, block: HostRegisters) -> None:
        inside: dict[str, tuple[str, Any]] = {name: (f"bridge.{name}", 1) for name in ("has_address", "has_data")}
        inside |= {"strobes": ("bridge.strobes", 4)}
        inside |= {name: (f"programming.{name}", 1) for name in ("start", "pop", "load")}
        inside["data"] = ("programming.word", block.host_width)
        inside |= {f"kept_{name}": where for name, where in KEPT.items()}
        super().__init__(block, inside | {f"cleared_{name}": (name, width) for name, width in CLEARED.items()})

    def add_claims(self, m: Module) -> None:
        axil = self.axil
        has_address, has_data, strobes = Signal(), Signal(), Signal(4)  # of the write that is under way
        taken, silent, passed, loaded = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            taken.eq(has_address & has_data & (~axil.bvalid | axil.bready)),
            silent.eq(taken & (strobes == 0)),
        ]
        with m.If(axil.awvalid & axil.awready):
            m.d.sync += has_address.eq(1)
        with m.Elif(taken):
            m.d.sync += has_address.eq(0)
        with m.If(axil.wvalid & axil.wready):
            m.d.sync += [has_data.eq(1), strobes.eq(axil.wstrb)]
        with m.Elif(taken):
            m.d.sync += has_data.eq(0)

        m.d.sync += [passed.eq(silent), loaded.eq(self.load)]
        changed: list[Value] = []
        seen = {name: getattr(self, f"kept_{name}") for name in KEPT}
        seen |= {name: getattr(self, f"cleared_{name}") for name in CLEARED}
        seen |= {"timing": self.timing.as_value(), "data": self.data}
        for name, now in seen.items():
            before = Signal(len(now), name=f"{name}_before")
            m.d.sync += before.eq(now)
            differs = (before & ~now).any() if name in CLEARED else before != now
            changed.append(differs & ~loaded if name == "data" else differs)
        word = Signal(10)
        with m.If(axil.awvalid & axil.awready):
            m.d.sync += word.eq(axil.awaddr[2:])
        m.d.comb += [
            Assert(~passed | ~Cat(changed).any(), "a write without strobes changes no register"),
            Assert(~silent | ~(self.start | self.pop), "a write without strobes begins nothing and takes nothing away"),
            Assert(~passed | (axil.bvalid & (axil.bresp == Response.OKAY)), "a write without strobes is answered OKAY"),
            Assert(
                Cat(self.has_address, self.has_data, self.strobes) == Cat(has_address, has_data, strobes),
                "lemma: the strobes of the write under way",
            ),
            *(
                Cover(silent & (word == register // 4), f"a write without strobes to {register.name}")
                for register in (Register.UNLOCK, Register.FAILED_COUNT, Register.COMMAND, Register.ID)
            ),
        ]
