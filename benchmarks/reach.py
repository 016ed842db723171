"""Which lines of generated Verilog act while the host is at rest: those that inference needs.

Each module is read by Yosys with the inputs that come from the host tied to what they are at rest and without the
outputs that only the host looks at; what is left of it when constants are propagated is inference logic. All else
serves the host: registers, commands, programming.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path

from sim.netlist import run_yosys

AT_REST = {
    **dict.fromkeys(("s_axil_awvalid", "s_axil_wvalid", "s_axil_arvalid", "s_prog_tvalid"), 0),
    **dict.fromkeys(("host__valid", "claim", "hv", "operation", "side", "remapped", "masked"), 0),
    "supply_ok": 1,
}
"""Inputs that come from the host, and what they are while it does nothing."""
OF_HOST = (
    *("programming", "programmer", "axi_lite", "row_receiver", "row_crc", "failure_list", "spare_table"),
    "registers",
)
"""Modules that only the host uses."""
FOR_HOST = re.compile(
    r"(done|failed|read_bits|amplitude|claim|host__\w+|claim|hv|operation|side|mask|tile|irq|supply_ok|"
    r"ended|ended_failed|row_bits|remapped|entries|selected|hits|(s_)?(axil|prog)_\w+)\d*"
)
"""Outputs and connections that only the host, or what acts for it, looks at."""
PULSING = re.compile(r"^(  assign \w+ = )state == 3'h[3-6];$", re.MULTILINE)
"""States of the controllers of arrays that only the host brings them into."""
ARRAYS = re.compile(r"hafnet_(array|tile|group|stack|grid|columns)_")
IN_ARRAYS = re.compile(r"write_\w+|read_addr|q|qb|index|lane|number|select|write|order__\w+")
"""Likewise in the modules of arrays, unless numbers are read from there."""
WALKS = re.compile(r"_rows|_in_arrays")
ACCESS = re.compile(
    r"^(    \.(?:write|write_\w+|select|index|lane|number|masked|mask|entries|hits))\([^()]*\)", re.MULTILINE
)
"""Connections that carry nothing while the host is at rest; what they join is 0 then."""
_SOURCE = re.compile(r"([\w.]+):(\d+)(?:\.\d+-(\d+)\.\d+)?")


def serves_host(module: str, port: str) -> bool:
    """Whether a port, of the module or of an instance in it, is there for the host alone."""
    if FOR_HOST.fullmatch(port):
        return True
    if port == "q" and re.match("hafnet_(stack|group)_", module):
        return True
    return bool(ARRAYS.match(module) and not WALKS.search(module) and IN_ARRAYS.fullmatch(port) and port != "q")


def live_lines(texts: Mapping[str, str], folder: Path) -> dict[str, set[int]]:
    """The lines, from 1 on, of each file that act while the host is at rest. `folder` is for the files of Yosys."""
    folder.mkdir(parents=True, exist_ok=True)
    script = []
    for file, text in texts.items():
        rests = PULSING.sub(r"\g<1>1'h0;", text) if "_controller_" in file else text
        if ARRAYS.match(file) and not WALKS.search(file):
            rests = ACCESS.sub(r"\1()", rests)
        (folder / file).write_text(rests, encoding="utf-8")
        script.append(f"read_verilog -sv {file}")
    script += ["proc -noopt", "pmuxtree"]
    for file, text in texts.items():
        module = file.removesuffix(".sv")
        inputs = set(re.findall(r"^  input (?:\[\d+:0\] )?(\w+);$", text, re.MULTILINE))
        outputs = set(re.findall(r"^  output (?:\[\d+:0\] )?(\w+);$", text, re.MULTILINE))
        tied = {name: value for name, value in AT_REST.items() if name in inputs}
        script += [f"delete -input {module}/w:{name}" for name in tied]
        script += [f"delete -output {module}/w:{name}" for name in sorted(outputs) if serves_host(module, name)]
        script.append(f"cd {module}")
        script += [f"connect -nounset -set {name} {value}" for name, value in tied.items()]
        script.append("cd ..")
    script += ["setundef -undriven -zero", *["opt_expr -full", "opt_muxtree", "opt_dff -sat", "opt_clean"] * 3]
    script.append("write_json live.json")
    run_yosys("\n".join([*script, ""]), folder)
    found: dict[str, set[int]] = {file: set() for file in texts}
    for name, module in json.loads((folder / "live.json").read_text(encoding="utf-8"))["modules"].items():
        if any(part in name for part in OF_HOST):
            continue
        for cell in module["cells"].values():
            if not cell["type"].startswith("$"):
                continue
            for file, first, last in _SOURCE.findall(cell["attributes"].get("src", "")):
                found[file] |= set(range(int(first), int(last or first) + 1))
    return found
