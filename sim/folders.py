"""Whether what lies in a folder belongs together: the network, images exported from it, and Verilog generated for it.

What does not is told with the option that differs and the command that mends it.
"""

import shlex
from collections.abc import Sequence
from pathlib import Path

from hdl.generate import Manifest, load_manifest
from model import images
from model.errors import HafnetError
from model.formats import FORMATS
from model.network import PLACED_FROM, Network
from model.plan import Plan
from model.topology import Topology
from sim.plans import differences, wish_for
from sim.steps import NETWORK, PLACED

LONGEST = 300
"""Characters of a sentence."""


def check_folder(network: Network, verilog: Path, images_folder: Path) -> tuple[Manifest, list[images.Image]]:
    """The manifest of `verilog` and what the images hold, once both were found whole, and made for this network, under
    the same plan.

    Raises HafnetError otherwise, before anything is simulated.
    """
    manifest = load_manifest(verilog)
    exported = images.check(images_folder)
    made = ((verilog, manifest.topology, "generate"), (images_folder, exported.topology, "export"))
    for folder, topology, verb in made:
        if topology != str(network.topology):
            told = f"the network is {str(network.topology)[:60]}, but {folder} was made for {topology[:60]}"
            raise HafnetError(f"{told}: `hafnet {verb}` makes it anew")
    check_network(network, images_folder, exported)
    if exported.plan != manifest.plan:
        raise HafnetError(_other_plan(network.topology, exported, manifest.plan, images_folder.parent))
    files = {image.file for image in exported.images if image.format == "hex"}
    contents = list(images.words(network, manifest.plan, images.load_faults(images_folder)))
    needed = {f"{image.name}.hex" for image in contents}
    if missing := needed - files:
        raise HafnetError(
            f"{images_folder} lacks {min(missing)!r}: simulators and Yosys need format hex, which `hafnet export "
            "--format hex` writes"
        )
    if unknown := files - needed:
        raise HafnetError(f"{images_folder} has {min(unknown)!r}, which network and plan do not need: export again")
    check_contents(images_folder, contents)
    return manifest, contents


def check_network(network: Network, images_folder: Path, exported: images.ImageManifest) -> None:
    """Raise HafnetError where images, whose manifest this is, were exported from another network."""
    if exported.network in (None, network.digest):
        return
    folder = images_folder.parent
    told, again = f"{images_folder} was exported from another network: ", export_command(images_folder)
    placed = _network(folder / PLACED)
    if placed is not None and (placed.digest, placed.origin.get(PLACED_FROM)) == (exported.network, network.digest):
        told = f"{images_folder} was exported from the placed network: say `--network {folder / PLACED}`, or "
    given = _network(folder / NETWORK)
    if given is None or given.digest != network.digest:
        again += " --network FILE"
    commands = [again]
    if exported.faults_crc32 is not None:
        commands.insert(0, f"{again} --faults {shlex.quote(str(images_folder / images.FAULTS))}")
    raise HafnetError(_fitting(*(f"{told}export again: `{command}`" for command in commands), f"{told}export again"))


def check_contents(images_folder: Path, contents: Sequence[images.Image]) -> None:
    """Raise HafnetError, naming the file, where one of the images in format hex does not hold these contents."""
    for image in contents:
        path = images_folder / f"{image.name}.hex"
        try:
            words = FORMATS["hex"].read(path.read_bytes(), image.width, len(image.words))
        except HafnetError as error:
            raise HafnetError(f"{path}: {error}") from None
        if words != image.words:
            word = next(index for index, right in enumerate(image.words) if words[index] != right)
            told = f"{path}: word {word} is not what network and plan give: export again"
            raise HafnetError(_fitting(f"{told}: `{export_command(images_folder)}`", told))


def export_command(images_folder: Path) -> str:
    """The command that exports images anew, under the plan of the Verilog beside them."""
    return f"hafnet export {shlex.quote(str(images_folder.parent))}"


def _other_plan(topology: Topology, exported: images.ImageManifest, generated: Plan, folder: Path) -> str:
    """What to do where images and Verilog, beside each other in `folder`, are of different plans."""
    here, there = zip(*differences(topology, exported.plan, generated), strict=True)
    told = [
        f"the images were exported {' and '.join(here[:count])}, but the Verilog was generated "
        f"{' and '.join(there[:count])}"
        for count in (2, 1)
    ]
    verb, plan = "export", generated
    if exported.faults_crc32 is not None:  # which fits no other arrays
        verb, plan = "generate", exported.plan
    # Without options each takes over the plan of the other.
    command = f"hafnet {verb} {shlex.quote(str(folder))}"
    commands = [f"{command} {shlex.join(wish_for(topology, plan).options)}".rstrip(), command]
    return _fitting(*(f"{each}: run `{run}`" for run in commands for each in told), told[-1])


def _network(path: Path) -> Network | None:
    """The network in a file, None where there is none."""
    try:
        return Network.load(path)
    except HafnetError:
        return None


def _fitting(*sentences: str) -> str:
    """The first sentence that is not too long, or else the last."""
    return next((sentence for sentence in sentences if len(sentence) <= LONGEST), sentences[-1])
