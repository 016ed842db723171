"""How a user asks for a plan, and how it is shown and shared."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import pytest
from command import Run
from drawing import draw
from rich.console import Console

from model.errors import HafnetError
from model.mapping import P2S, S2P, Geometry
from model.network import Network
from model.pipeline import Results
from model.plan import LayerPlan, Plan
from model.planner import choose
from model.random_network import random_network
from model.topology import Topology
from model.ways import Override
from sim.plans import Wish, differences, plan_options, plan_table, wish_for

SHAPE = "12-9-7-3"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    random_network(SHAPE, seed=1).save(tmp_path / "network.safetensors")
    return tmp_path


def test_options_become_overrides() -> None:
    wish = Wish(dataflow=("0=s2p", "hidden1=p2s"), lanes=("hidden1=4", "out=2"))
    assert wish.overrides == {"0": Override(S2P), "hidden1": Override(P2S, 4), "out": Override(lanes=2)}


def parse(words: Sequence[str]) -> Wish:
    """What the command line makes of options."""
    found = []

    @click.command()
    @plan_options
    def command(wish: Wish) -> None:
        found.append(wish)

    command.main(list(words), standalone_mode=False)
    return found[0]


def test_the_options_of_a_plan_give_the_plan_again() -> None:
    for seed in range(80):
        accelerator = draw(np.random.default_rng(seed)).accelerator
        topology, plan = accelerator.topology, accelerator.plan.of(accelerator.topology)
        wish = wish_for(topology, plan)
        parsed = parse(wish.options)
        assert parsed == wish, seed
        assert parsed.plan(topology) == plan, seed


def test_the_options_of_a_plan_are_few() -> None:
    topology = Topology.parse("12-9-7-3")
    usual = choose(topology, Geometry())
    assert wish_for(topology, usual).options == ()
    assert wish_for(topology, choose(topology, Geometry(4))).options == ("--rows", "4")
    layers = (*usual.layers[:2], LayerPlan(P2S, 3))
    words = ("--dataflow", "2=p2s", "--lanes", "2=3", "--fidelity", "noisy")
    assert wish_for(topology, replace(usual, layers=layers, fidelity="noisy")).options == words
    cycles = Wish(cycles=9, arrays=3, numbers_in_arrays=True)
    assert cycles.options == ("--cycles-per-image", "9", "--arrays", "3", "--numbers-in-arrays")
    assert parse(cycles.options) == cycles


def test_a_layer_that_is_called_as_another_ones_number_is_named() -> None:
    network = random_network("12-9-7-3", seed=1)
    hidden = tuple(replace(layer, name=name) for layer, name in zip(network.hidden, ("1", "a=b"), strict=True))
    topology = replace(network, hidden=hidden).topology
    plan = Plan(layers=(LayerPlan(S2P, 5), LayerPlan(P2S, 2), LayerPlan(S2P, 4)))
    wish = wish_for(topology, plan)
    assert set(wish.overrides) == {"0", "a=b", "2"}
    assert wish.plan(topology) == plan


@pytest.mark.parametrize(
    ("one", "other", "told"),
    [
        (Plan(), Plan(), []),
        (
            Plan(Geometry(4)),
            Plan(Geometry(8, 16)),
            [("with --rows 4", "with --rows 8"), ("with --columns 32", "with --columns 16")],
        ),
        (Plan(Geometry(32, 32, 2)), Plan(), [("with --spare-rows 2", "with --spare-rows 0")]),
        (Plan(Geometry(32, 32, 0, True)), Plan(), [("with --signed-arrays", "without --signed-arrays")]),
        (Plan(numbers_in_arrays=True), Plan(), [("with --numbers-in-arrays", "without --numbers-in-arrays")]),
        (Plan(fidelity="noisy"), Plan(), [("with --fidelity noisy", "with --fidelity bits")]),
        (
            Plan(),
            Plan(layers=(LayerPlan(lanes=2), LayerPlan(S2P), LayerPlan())),
            [("with --lanes 0=1", "with --lanes 0=2"), ("with --dataflow 1=p2s", "with --dataflow 1=s2p")],
        ),
    ],
)
def test_plans_differ_by_options(one: Plan, other: Plan, told: list[tuple[str, str]]) -> None:
    assert differences(Topology.parse("12-9-7-3"), one, other) == told


@pytest.mark.parametrize(
    ("wish", "pattern"),
    [
        (Wish(dataflow=("p2s",)), "^'p2s' says nothing of a layer"),
        (Wish(dataflow=("0=x2s",)), "^--dataflow 0=x2s: 'x2s' is neither 'p2s' nor 's2p'$"),
        (Wish(lanes=("0=-3",)), "^--lanes 0=-3: '-3' is not a number$"),
        (Wish(lanes=("x=3",)), "^layer 'x' is none of layer0, layer1, layer2$"),
        (Wish(rows=0), "0 rows"),
        (
            Wish(cycles=2),
            "^2 cycles per image are not possible for 12-9-7-3: the fewest are 7 .layer 'layer2': latency",
        ),
        (Wish(arrays=2), "^2 arrays are not enough for 12-9-7-3: the fewest are 3"),
        (Wish(arrays=9, cycles=9), "exclude each other"),
    ],
)
def test_wishes_that_cannot_be_met(wish: Wish, pattern: str) -> None:
    with pytest.raises(HafnetError, match=pattern):
        wish.plan(Topology.parse(SHAPE))


def test_the_table_says_what_the_plan_is_and_costs() -> None:
    topology = Topology.parse("784-1024-1024-10")
    console = Console(width=80, soft_wrap=True, record=True)
    console.print(plan_table(topology, choose(topology, Geometry()), Results()))
    lines = [" ".join(line.split()) for line in console.export_text().splitlines()]
    assert "784-1024-1024-10 on arrays of 32 x 32" in lines
    assert "layer0 1024 P2S 32 32 x 25 32 32 2832 10240 98.0% row reads" in lines
    assert "layer1 1024 P2S ↓ 32 32 x 32 32 32 1024 11264 100.0% row reads" in lines
    assert "all 1856 32 4346 21504 98.0% layer 'layer0': row reads" in lines
    assert any("zig-zag" in line for line in lines)


def test_a_pooling_layer_has_a_row_without_arrays() -> None:
    topology = Topology.parse("6x6x1-4c3-m2-2")
    console = Console(width=80, soft_wrap=True, record=True)
    console.print(plan_table(topology, choose(topology, Geometry()), Results()))
    (row,) = (line.split() for line in console.export_text().splitlines() if "layer1" in line)
    # 4 x 4 positions a cycle each; 2 x 2 pixels, a line of 4 and the modes, of 4 channels.
    assert row == ["layer1", "m2", "16", "20", "16", "window"]


def test_a_plan_is_printed_whole_and_nothing_is_written(project: Path, run: Run) -> None:
    code, out, err = run("generate", project, "--plan", "--rows", 4, "--dataflow", "hidden0=s2p", "--lanes", "2=2")
    assert code == 0, err
    assert re.search(r"hidden0 +9 +S2P ", out)
    assert re.search(r"output +3 +\S+ +2 ", out)
    assert "…" not in out
    assert [path.name for path in project.iterdir()] == ["network.safetensors"]


@pytest.mark.parametrize(
    ("arguments", "pattern"),
    [
        (["--cycles-per-image", "1"], "1 cycles per image are not possible"),
        (["--arrays", "1"], "1 arrays are not enough"),
        (["--lanes", "hidden0=100"], "layer 'hidden0': 100 lanes are not possible"),
        (["--top", "4", "--plan"], "the 4 best of 3 classes"),
        (["--top", "0", "--no-scores"], "results without classes need scores"),
    ],
)
def test_mistakes_end_in_one_sentence(arguments: list[str], pattern: str, project: Path, run: Run) -> None:
    code, _, err = run("generate", project, *arguments)
    assert code == 2
    assert re.fullmatch(rf"hafnet: .*{pattern}.*\n", err), err
    assert [path.name for path in project.iterdir()] == ["network.safetensors"]


def test_verilog_follows_the_plan_of_images_and_the_other_way_round(project: Path, run: Run) -> None:
    from hdl.generate import load_manifest
    from model.images import check

    assert run("export", project, "--rows", 4, "--lanes", "output=3")[0] == 0
    plan = check(project / "images").plan
    assert plan.geometry == Geometry(4, 32)
    assert plan.layers[2].lanes == 3
    assert run("generate", project)[0] == 0
    assert load_manifest(project / "verilog").plan == plan
    assert run("generate", project, "--cycles-per-image", 9)[0] == 0
    other = load_manifest(project / "verilog").plan
    assert other != plan
    assert run("export", project)[0] == 0
    assert check(project / "images").plan == other
    # A fidelity is a wish of its own, which changes nothing else.
    assert Wish(fidelity="noisy").plan(Topology.parse(SHAPE), project / "images") == replace(other, fidelity="noisy")
    # That of another topology, or of something damaged, is nobody's.
    network = Network.load(project / "network.safetensors")
    assert Wish().plan(Topology.parse("12-9-3"), project / "images").geometry == Geometry()
    (project / "images" / "manifest.json").write_text("{}")
    assert Wish().plan(network.topology, project / "images") == choose(network.topology, Geometry())
    assert Wish().plan(network.topology, project / "verilog") == other


def test_a_plan_of_many_times_the_arrays_says_so_and_names_the_options(project: Path, run: Run) -> None:
    """In every verb that makes one; a plan that is taken over is told of, too."""
    says = "this plan takes {} arrays, {} times the 3 of the plain one, because of {}\n"
    spare = says.format(19, "6.3", "--spare-rows 31")
    for verb, options in (
        ("generate", ("--spare-rows", 31, "--plan")),
        ("export", ("--spare-rows", 31)),
        ("generate", ()),
    ):
        code, out, err = run(verb, project, *options)
        assert code == 0, err
        assert out.startswith(spare)
    many = ("--plan", "--lanes", "hidden0=9", "--lanes", "hidden1=7", "--cycles-per-image", 9, "--spare-rows", 20)
    _, out, _ = run("generate", project, *many)
    causes = "--lanes hidden0=9 and --lanes hidden1=7 and --cycles-per-image 9"
    assert out.startswith(says.format(17, "5.7", causes))
    assert "this plan takes" not in run("generate", project, "--plan", "--spare-rows", 2)[1]


def test_no_sentence_names_a_hundred_options() -> None:
    topology = Topology.dense((9,) * 102)
    wish = Wish(lanes=tuple(f"layer{index}=9" for index in range(101)))
    sentence = wish.surplus(topology, wish.plan(topology))
    assert sentence is not None
    assert sentence.endswith("--lanes layer3=9 and 97 more options")
