"""What MkDocs does besides rendering: pages that are generated, and links that leave docs/.

Pages in docs/ link to files elsewhere in the repository as any reader of the repository would (``../systems/``). On the
site these files are pages below ``repository/``: Markdown as it is, other text as code, folders as lists.
"""

import os
import re
import sys
from pathlib import Path, PurePosixPath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(Path(__file__).parent))  # MkDocs reads this file by its path

import command_line  # noqa: E402
import fields  # noqa: E402
import python_names  # noqa: E402

_LANGUAGES = {".py": "python", ".yaml": "yaml", ".cff": "yaml", ".xml": "xml", ".toml": "toml", ".tsv": "text"}
_FENCED = re.compile(r"(^ *```.*?^ *```[^\n]*$)", flags=re.DOTALL | re.MULTILINE)
_WIDE = re.compile(r"^\|(?: *:?-+:? *\|){6,}$", flags=re.MULTILINE)
_LINK = re.compile(r"(\]\()([^)\s#]+)(#[^)\s]*)?(\))")


def _is_shown(path: Path) -> bool:
    """Whether a link that leaves docs/ becomes a page; what is no text of this repository stays as it is."""
    return path.is_relative_to(ROOT) and path.exists() and path.suffix not in (".png", ".csv", ".ipynb", ".html")


def _page_of(path: Path) -> PurePosixPath:
    """Return where a file or folder of the repository is on the site, from the top of docs/."""
    if path.is_dir():
        path = path / "README.md"  # a list where there is none
    inside = path.relative_to(ROOT)
    if inside.parts[0] == "docs":
        return PurePosixPath(*inside.parts[1:])
    return PurePosixPath("repository", *inside.parts[:-1], inside.name + ("" if path.suffix == ".md" else ".md"))


def _targets(source: Path, text: str) -> list[Path]:
    """Return the files and folders of the repository to which a text links."""
    plain = "".join(_FENCED.split(text)[::2])
    links = (target for _, target, _, _ in _LINK.findall(plain) if "://" not in target)
    found = (Path(os.path.normpath(source.parent / target)) for target in links)
    return [path for path in found if _is_shown(path)]


def _relinked(source: Path, text: str) -> str:
    """Return a text whose links lead to pages of the site."""
    here = _page_of(source).parent

    def link(match: re.Match[str]) -> str:
        opened, target, anchor, closed = match.groups()
        path = Path(os.path.normpath(source.parent / target))
        if "://" in target or not _is_shown(path):
            return match[0]
        return f"{opened}{os.path.relpath(_page_of(path), here)}{anchor or ''}{closed}"

    parts = _FENCED.split(text)
    return "".join(part if index % 2 else _LINK.sub(link, part) for index, part in enumerate(parts))


def _content(path: Path) -> str:
    """Return a file or folder outside docs/ as Markdown, its links those of the repository."""
    if path.suffix == ".md":
        return path.read_text()
    title = path.relative_to(ROOT).as_posix()
    unsearched = "---\nsearch:\n  exclude: true\n---\n"
    if path.is_dir():
        inside = sorted(entry.name for entry in path.iterdir() if entry.is_file())
        return f"{unsearched}# {title}/\n\n" + "".join(f"- [{name}]({name})\n" for name in inside)
    language = _LANGUAGES.get(path.suffix, "text")
    return f"{unsearched}# {title}\n\n````{language}\n{path.read_text()}\n````\n"


def _outside(pages: dict[Path, str]) -> dict[Path, str]:
    """Return the Markdown of everything outside docs/ that pages link to, and of what that links to in turn."""
    found: dict[Path, str] = {}
    waiting = list(pages.items())
    while waiting:
        source, text = waiting.pop()
        for target in _targets(source, text):
            path = target / "README.md" if (target / "README.md").is_file() else target
            if path not in found and not path.is_relative_to(ROOT / "docs"):
                found[path] = _content(path)
                waiting.append((path / "list.md" if path.is_dir() else path, found[path]))
    return found


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are generated."""
    pages = {Path(file.abs_src_path): file.content_string for file in files.documentation_pages()}
    named = {ROOT / "CHANGELOG.md": "", ROOT / "CITATION.cff": ""}
    outside = {path: _content(path) for path in named} | _outside(pages)
    for path, text in outside.items():
        source = path / "list.md" if path.is_dir() else path
        files.append(File.generated(config, str(_page_of(path)), content=_relinked(source, text)))
    generated = command_line.pages() | fields.pages() | python_names.pages(pages.values())
    for name, text in generated.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead links of a page in docs/ to pages of the site, and give wide tables the room of the table of contents."""
    if _WIDE.search(markdown):
        page.meta["hide"] = ["toc"]
    if page.file.generated_by is not None:
        return markdown
    return _relinked(Path(page.file.abs_src_path), markdown)
