"""The reference of Python names: what solvshell and its packages export, and what the guides import besides."""

import ast
import re
from collections.abc import Iterable, Iterator
from importlib import import_module

import solvshell

#: page, title, package
_PACKAGES = [
    ("analysis", "Analysis", "solvshell.analysis"),
    ("joined", "Replicas and temperatures", "solvshell.joined"),
    ("comparison", "Comparison", "solvshell.comparison"),
    ("figures", "Figures", "solvshell.figures"),
    ("free_energy", "Free energies", "solvshell.free_energy"),
    ("binding", "Clusters", "solvshell.binding"),
    ("infrared", "Infrared shifts", "solvshell.infrared"),
    ("export", "Other engines", "solvshell.export"),
]


def _made(name: str) -> str:
    """Return the name of a thing in the module where it is made; packages hand it on."""
    package, _, last = name.rpartition(".")
    value = getattr(import_module(package), last)
    return f"{value.__module__}.{last}" if callable(value) else name


def _entry(shown: str) -> str:
    name = shown.rpartition(".")[2]
    return f"::: {_made(shown)}\n    options:\n      heading: {shown}\n      toc_label: {name}\n\n"


def _imported(page: str) -> Iterator[str]:
    """Yield the names of this project that the Python examples of a page import."""
    for block in re.findall(r"^```python[^\n]*\n(.*?)^```", page, flags=re.DOTALL | re.MULTILINE):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("solvshell."):
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


def pages(guides: Iterable[str]) -> dict[str, str]:
    """Return pages by name in docs/; `guides` are the texts whose imports are to be found there too."""
    public = [name for name in solvshell.__all__ if name != "__version__"]
    text = "# solvshell\n\n`import solvshell as sv` loads each of these on first use. "
    text += "What a [recipe](../recipes.md), a [protocol](../protocols.md) and a [reservoir](../reservoirs.md) say.\n\n"
    found = {"solvshell": text + "".join(_entry(f"solvshell.{name}") for name in public)}
    told = {_made(f"solvshell.{name}") for name in public}
    for page, title, package in _PACKAGES:
        module = import_module(package)
        names = [f"{package}.{name}" for name in module.__all__]
        told |= {_made(name) for name in names}
        first = (module.__doc__ or "").strip().splitlines()[0]
        found[page] = f"# {title}\n\n{first}\n\n" + "".join(_entry(name) for name in names)
    others = sorted({name for guide in guides for name in _imported(guide) if _made(name) not in told})
    text = "# Deeper\n\nWhat examples of the guides import besides, by the module where it is made.\n\n"
    found["deeper"] = text + "".join(_entry(name) for name in others)
    return {f"reference/python/{page}.md": text for page, text in found.items()}
