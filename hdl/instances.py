"""The tree of instances in generated Verilog, read from its text: who holds whom, and whose image is which."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

_INSTANCE = re.compile(r"^  (hafnet_\w+) (?:#\(([^;]*?)\) )?(\w+) \($", re.MULTILINE)
_IMAGE = re.compile(r'\(IMAGE\)|\(\{IMAGE, "([^"]*)"\}\)')


@dataclass(frozen=True)
class Instance:
    """A child of a module. `image` is what it adds to the path of the images below it, None where there are none."""

    module: str
    name: str
    image: str | None


@dataclass(frozen=True)
class Tree:
    """All modules of a design with their children; a module that is not in `modules` was written by hand."""

    modules: Mapping[str, Sequence[Instance]]

    @classmethod
    def read(cls, texts: Mapping[str, str]) -> "Tree":
        """The tree of what `hdl.emit.emit` wrote: file name -> text."""
        found = {}
        for file, text in texts.items():
            children = [
                Instance(module, name, _image(parameters)) for module, parameters, name in _INSTANCE.findall(text)
            ]
            if children:
                found[file.removesuffix(".sv")] = children
        return cls(found)

    def memories(self, top: str, shared: Sequence[str] = ()) -> Iterator[tuple[str, str]]:
        """Every memory below `top`: its path from there, and the path of its image.

        The path is the one that Verilator prints for %m: below an instance of one of the modules `shared`, which are
        built by themselves, the module's name follows that of the instance.
        """
        for child in self.modules.get(top, ()):
            if child.image is not None and child.module not in self.modules:
                yield child.name, child.image
            inside = f"{child.name}.{child.module}" if child.module in shared else child.name
            for path, image in self.memories(child.module, shared):
                yield f"{inside}.{path}", f"{child.image or ''}{image}"

    def places(self, top: str, prefix: str) -> Iterator[str]:
        """The paths of the instances below `top` of modules whose names begin with `prefix`."""
        for child in self.modules.get(top, ()):
            if child.module.startswith(prefix):
                yield child.name
            for path in self.places(child.module, prefix):
                yield f"{child.name}.{path}"

    def repeated(self, top: str, times: int) -> list[str]:
        """The modules that hold memories and occur at least so many times, but for what is part of another of them."""
        counts: Counter[str] = Counter()
        parents: dict[str, set[str]] = {}

        def count(module: str, copies: int) -> None:
            counts[module] += copies
            for name, number in Counter(child.module for child in self.modules.get(module, ())).items():
                parents.setdefault(name, set()).add(module)
                count(name, copies * number)

        count(top, 1)
        holding = {child.module for children in self.modules.values() for child in children if child.image is not None}
        often = {module for module in holding & set(self.modules) if counts[module] >= times}
        return sorted(module for module in often if not parents[module] & often)


def _image(parameters: str) -> str | None:
    match = _IMAGE.search(parameters)
    return None if match is None else match[1] or ""
