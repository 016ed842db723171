"""What does not belong together is told before anything is simulated, with the command that mends it."""

import re
import shlex
import shutil
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import Run
from signed import undigested

from hdl.accelerator import Accelerator
from hdl.generate import generate
from model import images
from model.errors import HafnetError, HafnetWarning
from model.faults import NO_FAULTS, FaultMap, random_faults
from model.mapping import P2S, S2P, Geometry
from model.network import PLACED_FROM, DenseLayer, Network
from model.network_file import FORM
from model.placement import place
from model.plan import LayerPlan, Plan
from model.random_network import random_network
from model.samples import Samples
from sim import steps
from sim.folders import check_folder

SHAPE, PLAN = (12, 7, 3), Plan(Geometry(4, 5))
NETWORK, OTHER = (random_network(SHAPE, seed=seed) for seed in (1, 2))
NOISY = replace(PLAN, fidelity="noisy")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("folders")
    NETWORK.save(folder / steps.NETWORK)
    images.export(NETWORK, PLAN, folder / steps.IMAGES)
    generate(Accelerator(NETWORK.topology, PLAN), folder / steps.VERILOG)
    return folder


@pytest.fixture
def project(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the template in a folder with a short name, as users have it: sentences name the folder."""
    shutil.copytree(template, tmp_path / "p")
    monkeypatch.chdir(tmp_path)
    return Path("p")


def check(project: Path, network: Network = NETWORK) -> None:
    check_folder(network, project / steps.VERILOG, project / steps.IMAGES)


def told(project: Path, network: Network = NETWORK) -> str:
    with pytest.raises(HafnetError) as caught:
        check(project, network)
    sentence = str(caught.value)
    assert len(sentence) <= 300
    assert "\n" not in sentence
    return sentence


def mended(sentence: str, run: Run) -> None:
    """Run the command that the sentence names."""
    (command,) = re.findall(r"`hafnet ([^`]*)`", sentence)
    code, _, err = run(*shlex.split(command))
    assert code == 0, err


def test_images_of_another_network_are_told_with_the_command_that_mends_it(project: Path, run: Run) -> None:
    check(project)
    OTHER.save(project / steps.NETWORK)  # trained anew
    sentence = told(project, OTHER)
    assert sentence == "p/images was exported from another network: export again: `hafnet export p`"
    mended(sentence, run)
    check(project, OTHER)


def test_a_network_that_is_given_must_be_given_to_export_too(project: Path) -> None:
    assert told(project, OTHER).endswith("export again: `hafnet export p --network FILE`")


def test_faults_of_the_images_are_not_lost(project: Path, run: Run) -> None:
    images.export(
        NETWORK, NOISY, project / steps.IMAGES, faults=random_faults(NETWORK.topology, NOISY, stuck=1, weak=0)
    )
    OTHER.save(project / steps.NETWORK)
    sentence = told(project, OTHER)
    assert sentence.endswith("export again: `hafnet export p --faults p/images/faults.safetensors`")


def test_images_of_the_placed_network_are_told_as_such(project: Path) -> None:
    faults = random_faults(NETWORK.topology, NOISY, stuck=0.2, weak=0)
    placed = place(NETWORK, NOISY, faults).network
    assert placed.origin == {**NETWORK.origin, PLACED_FROM: NETWORK.digest}
    assert place(placed, NOISY, faults).network.origin == placed.origin
    placed.save(project / steps.PLACED)
    images.export(placed, PLAN, project / steps.IMAGES)
    check(project, placed)
    assert told(project) == (
        "p/images was exported from the placed network: say `--network p/placed.safetensors`, or export again: "
        "`hafnet export p`"
    )
    OTHER.save(project / steps.NETWORK)  # whose neurons these are not
    assert told(project, OTHER) == "p/images was exported from another network: export again: `hafnet export p`"


def test_a_network_that_was_placed_from_another_one_is_refused(project: Path, run: Run) -> None:
    placed = place(NETWORK, NOISY, random_faults(NETWORK.topology, NOISY, stuck=0.2, weak=0)).network
    placed.save(project / steps.PLACED)
    assert run("export", project, "--network", project / steps.PLACED)[0] == 0
    OTHER.save(project / steps.NETWORK)
    for verb in ("export", "verify"):
        code, _, err = run(verb, project, "--network", project / steps.PLACED)
        assert code == 2
        assert err.startswith(
            "hafnet: p/placed.safetensors was placed from another network than p/network.safetensors: "
        )
    (project / steps.NETWORK).unlink()
    assert run("export", project, "--network", project / steps.PLACED)[0] == 0


def flipped(network: Network) -> Network:
    """One weight bit is another."""
    layer = network.hidden[0]
    assert isinstance(layer, DenseLayer)
    weights = layer.weights.copy()
    weights[3, 5] *= -1
    return replace(network, hidden=(replace(layer, weights=weights), *network.hidden[1:]))


def as_of_before(project: Path) -> None:
    """The images' manifest as it was when it did not tell the network."""
    path = project / steps.IMAGES / images.MANIFEST
    text = re.sub(r',\s*"network": "\w+"', "", path.read_text()).replace('"version": 4', '"version": 3')
    path.write_text(text)


def test_one_flipped_weight_is_told_even_by_images_that_do_not_tell_their_network(project: Path) -> None:
    assert "was exported from another network" in told(project, flipped(NETWORK))
    as_of_before(project)
    with pytest.warns(HafnetWarning, match="p/images was exported before images told of which network they are"):
        check(project)
    with pytest.warns(HafnetWarning):
        sentence = told(project, flipped(NETWORK))
    assert sentence == (
        "p/images/layer0_g0_t1.hex: word 3 is not what network and plan give: export again: `hafnet export p`"
    )


@pytest.mark.parametrize("line", [("0", "1"), ("0", "x")])
def test_images_are_compared_whole(project: Path, line: tuple[str, str]) -> None:
    """Every word of every image, with a manifest that agrees with the file."""
    path, manifest = project / steps.IMAGES / "layer1_offsets_l0.hex", project / steps.IMAGES / images.MANIFEST
    before = f"{zlib.crc32(path.read_bytes()):08x}"
    lines = path.read_text().splitlines()
    lines[-1] = lines[-1].translate(str.maketrans(*line)) if "0" in lines[-1] else line[1] * len(lines[-1])
    path.write_text("".join(f"{each}\n" for each in lines))
    manifest.write_text(manifest.read_text().replace(before, f"{zlib.crc32(path.read_bytes()):08x}"))
    rule = "line 3 is 'x+'|line 3 is '.*x.*'|word 2 is not what network and plan give: export again"
    assert re.match(rf"p/images/layer1_offsets_l0\.hex: ({rule})", told(project))


PLANS: dict[str, tuple[Plan, str]] = {
    "spare rows": (
        Plan(Geometry(4, 5, spare_rows=1, signature=True)),
        "the images were exported with --spare-rows 1 and with --signed-arrays, but the Verilog was generated with "
        "--spare-rows 0 and without --signed-arrays: run `hafnet export p --rows 4 --columns 5",
    ),
    "lanes": (
        Plan(Geometry(4, 5), (LayerPlan(lanes=2), LayerPlan(S2P, 3))),
        "the images were exported with --lanes 0=2 and with --dataflow 1=s2p, but the Verilog was generated with "
        "--lanes 0=1 and with --dataflow 1=p2s: run `hafnet export p --rows 4 --columns 5",
    ),
    "numbers": (
        replace(PLAN, numbers_in_arrays=True),
        "the images were exported with --numbers-in-arrays, but the Verilog was generated without --numbers-in-arrays",
    ),
    "fidelity": (
        NOISY,
        "the images were exported with --fidelity noisy, but the Verilog was generated with --fidelity b",
    ),
    "size": (
        Plan(),
        "the images were exported with --rows 32 and with --columns 32, but the Verilog was generated with ",
    ),
}


@pytest.mark.parametrize("name", PLANS)
def test_another_plan_is_told_by_its_options_and_mended_by_the_command(name: str, project: Path, run: Run) -> None:
    plan, sentence = PLANS[name]
    images.export(NETWORK, plan, project / steps.IMAGES)
    found = told(project)
    assert found.startswith(sentence)
    mended(found, run)
    check(project)


def test_images_with_faults_are_kept_and_the_verilog_is_generated_for_them(project: Path, run: Run) -> None:
    images.export(
        NETWORK, NOISY, project / steps.IMAGES, faults=random_faults(NETWORK.topology, NOISY, stuck=1, weak=0)
    )
    found = told(project)
    assert "run `hafnet generate p " in found
    mended(found, run)
    check(project)


def test_a_sentence_is_never_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no room for the options, the command without any takes over the plan of the Verilog."""
    monkeypatch.chdir(tmp_path)
    folder, network = Path("n"), random_network("5-5-5-5-5", seed=1)
    one, other = (
        Plan(Geometry(2, 2), tuple(LayerPlan((P2S, S2P)[(first + index) % 2], 1 + index) for index in range(4)))
        for first in (0, 1)
    )
    images.export(network, one, folder / steps.IMAGES)
    generate(Accelerator(network.topology, other), folder / steps.VERILOG)
    for length, end in ((1, "--lanes 3=4`"), (60, "`hafnet export {}`"), (170, "`hafnet export {}`"), (250, "0=s2p")):
        folder = folder.rename("n" * length)
        sentence = told(folder, network)
        assert sentence.startswith("the images were exported with --dataflow 0=p2s")
        assert sentence.endswith(end.format(folder)), sentence


def test_samples_and_networks_that_do_not_fit_are_told(project: Path, run: Run) -> None:
    """And a warning is one line, told once."""
    values = np.zeros((3, 12), dtype=int)
    Samples(values).made_for(random_network("12b3-7-3", seed=1)).save(project / steps.SAMPLES)
    code, _, err = run("verify", project)
    assert code == 2
    assert re.match(
        r"hafnet: p/samples\.safetensors: samples were made for FixedPoint\(.* network takes Thermometer", err
    )
    undigested(project / steps.NETWORK, FORM)
    code, _, err = run("export", project)
    assert (code, err.count("\n")) == (0, 1)
    assert err.startswith("hafnet: warning: p/network.safetensors has no digest of its contents, so that damage to it")


def test_synth_refuses_images_of_another_network(project: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """But for those of the network's neurons in another order."""

    class Reached(Exception):
        pass

    def reached(*_: Any) -> None:
        raise Reached

    monkeypatch.setattr("sim.netlist.run_yosys", reached)
    with pytest.raises(Reached):
        run("synth", project)
    OTHER.save(project / steps.NETWORK)
    code, _, err = run("synth", project)
    assert (code, err) == (2, "hafnet: p/images was exported from another network: export again: `hafnet export p`\n")
    NETWORK.save(project / "given")
    with pytest.raises(Reached):
        run("synth", project, "--network", project / "given")
    placed = place(OTHER, NOISY, random_faults(OTHER.topology, NOISY, stuck=0.2, weak=0)).network
    images.export(placed, PLAN, project / steps.IMAGES)
    with pytest.raises(Reached):
        run("synth", project)
    (project / steps.NETWORK).unlink()
    with pytest.raises(Reached):
        run("synth", project)


@pytest.mark.parametrize("change", [lambda faults: FaultMap(faults.arrays), lambda faults: faults])
def test_a_fault_map_fits_the_arrays_that_it_was_made_for(
    change: Callable[[FaultMap], FaultMap], project: Path, run: Run
) -> None:
    plan = replace(NOISY, layers=(LayerPlan(S2P), LayerPlan()))
    faults = change(random_faults(NETWORK.topology, plan, stuck=0.2, weak=0))
    faults.save(project / "map")
    options = ("--rows", 4, "--columns", 5, "--fidelity", "noisy", "--faults", project / "map")
    assert run("export", project, *options, "--dataflow", "0=s2p", "--lanes", "0=1", "--lanes", "1=1")[0] == 0
    code, _, err = run("export", project, *options, "--dataflow", "0=p2s")
    assert code == 2
    assert ("fault map: it was made for the arrays of another plan" in err) == (faults.chip is not None)
    assert NO_FAULTS.chip is None
