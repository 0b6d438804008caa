"""Tables of a page that a command makes, between lines of a text that a person writes."""

import re
from collections.abc import Sequence
from pathlib import Path


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def fill(page: Path, **parts: str) -> None:
    """Put each part between its lines ``<!-- name -->`` and ``<!-- end -->`` of a page, in place.

    Raises
    ------
    ValueError
        If the page has no place for one of them.
    """
    text = page.read_text()
    for name, part in parts.items():
        place = re.compile(rf"(<!-- {re.escape(name)} -->\n).*?(<!-- end -->)", re.DOTALL)
        text, n = place.subn(lambda found, part=part: f"{found[1]}{part}\n{found[2]}", text)
        if n != 1:
            raise ValueError(f"{page}: {n} places for {name!r}, expected one, between <!-- {name} --> and <!-- end -->")
    page.write_text(text)
