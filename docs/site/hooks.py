"""What MkDocs does besides rendering: pages that are generated, and links that leave docs/.

Pages in docs/ link to files elsewhere in the repository as any reader of the repository would (``../systems/``). On the
site these are below ``repository/``: Markdown and notebooks as pages, code as code, folders as lists, other files as
they are.
"""

import json
import os
import re
from pathlib import Path, PurePosixPath

import command_line
import fields
import python_names
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
#: what has a page of its own although no page links to it
_ALWAYS = ("CHANGELOG.md", "CITATION.cff", "forcefields/README.md")
#: Files that become pages as code, by the end of their names; a Snakefile has none.
_LANGUAGES = {
    ".py": "python",
    ".smk": "python",
    "": "python",
    ".yaml": "yaml",
    ".yml": "yaml",
    ".cff": "yaml",
    ".xml": "xml",
    ".toml": "toml",
    ".json": "json",
    ".sh": "bash",
    ".tsv": "text",
}
_FENCED = re.compile(r"(^ *```.*?^ *```[^\n]*$)", flags=re.DOTALL | re.MULTILINE)
_WIDE = re.compile(r"^\|(?: *:?-+:? *\|){6,}$", flags=re.MULTILINE)
_LINK = re.compile(r"(\]\()([^)\s#]+)(#[^)\s]*)?(\))")
_UNSEARCHED = "---\nsearch:\n  exclude: true\n---\n"


def _is_page(path: Path) -> bool:
    return path.is_dir() or path.suffix in (".md", ".ipynb", *_LANGUAGES)


def _place(path: Path) -> PurePosixPath:
    """Return where a file or folder of the repository is on the site, from the top of docs/."""
    if path.is_dir():
        path = path / "README.md"  # a list where there is none
    inside = path.relative_to(ROOT)
    if inside.parts[0] == "docs":
        return PurePosixPath(*inside.parts[1:])
    ending = ".md" if _is_page(path) and path.suffix != ".md" else ""
    name = inside.name.lstrip(".")  # MkDocs leaves out names that begin with a dot
    return PurePosixPath("repository", *inside.parts[:-1], name + ending)


def _target(source: Path, link: str) -> Path | None:
    """Return the file or folder of the repository that a link leads to, or None."""
    path = Path(os.path.normpath(source.parent / link))
    return path if "://" not in link and path.is_relative_to(ROOT) and path.exists() else None


def _relinked(source: Path, text: str) -> str:
    """Return a text of the repository with links that lead to places on the site."""

    def link(match: re.Match[str]) -> str:
        opened, to, anchor, closed = match.groups()
        target = _target(source, to)
        if target is None:
            return match[0]
        return f"{opened}{os.path.relpath(_place(target), _place(source).parent)}{anchor or ''}{closed}"

    parts = _FENCED.split(text)
    return "".join(part if index % 2 else _LINK.sub(link, part) for index, part in enumerate(parts))


def _notebook(path: Path) -> str:
    """Return the cells of a notebook as Markdown; what they print is not kept in the repository."""
    cells = json.loads(path.read_text())["cells"]
    texts = (("".join(cell["source"]), cell["cell_type"] == "code") for cell in cells)
    return "\n\n".join(f"```python\n{text}\n```" if is_code else text for text, is_code in texts)


def _content(path: Path) -> str:
    """Return what is shown of a file or folder outside docs/, as Markdown with the links of the repository."""
    title = path.relative_to(ROOT).as_posix()
    if path.is_dir():
        inside = sorted(entry.name for entry in path.iterdir() if entry.is_file())
        return f"{_UNSEARCHED}# {title}/\n\n" + "".join(f"- [{name}]({name})\n" for name in inside)
    if path.suffix == ".md":
        return path.read_text()
    if path.suffix == ".ipynb":
        return _notebook(path)
    return f"{_UNSEARCHED}# {title}\n\n````{_LANGUAGES[path.suffix]}\n{path.read_text()}\n````\n"


def _outside(pages: dict[Path, str]) -> list[Path]:
    """Return all files and folders outside docs/ that pages link to, and what these link to in turn."""
    found: list[Path] = []
    waiting = list(pages.items())
    while waiting:
        source, text = waiting.pop()
        links = (link for _, link, _, _ in _LINK.findall("".join(_FENCED.split(text)[::2])))
        for target in (_target(source, link) for link in links):
            if target is None or target.is_relative_to(ROOT / "docs"):
                continue
            path = target / "README.md" if (target / "README.md").is_file() else target
            if path not in found:
                found.append(path)
                if _is_page(path):
                    waiting.append((path / "README.md" if path.is_dir() else path, _content(path)))
    return found


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are generated, and what pages link to outside docs/."""
    pages = {Path(file.abs_src_path): file.content_string for file in files.documentation_pages()}
    always = {ROOT / name: _content(ROOT / name) for name in _ALWAYS}
    for path in dict.fromkeys([*always, *_outside(pages | always)]):
        place = str(_place(path))
        if _is_page(path):
            text = _relinked(path / "README.md" if path.is_dir() else path, _content(path))
            files.append(File.generated(config, place, content=text))
        else:
            files.append(File.generated(config, place, abs_src_path=str(path)))
    generated = command_line.pages() | fields.pages() | python_names.pages(pages.values())
    for name, text in generated.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead links of a page in docs/ to places on the site, and give wide tables the room of the table of contents."""
    if _WIDE.search(markdown):
        page.meta["hide"] = ["toc"]
    if page.file.generated_by is not None:
        return markdown
    return _relinked(Path(page.file.abs_src_path), markdown)
