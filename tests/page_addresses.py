"""What a page asks its browser for."""

import re


def addresses(page: str) -> list[str]:
    """Return the beginnings of all addresses of a page, without its scripts, that are no links to papers."""
    marks = re.sub(r"<script.*?</script>", "", page, flags=re.S)
    found = re.findall(r'(?:src|href)="([^"]{0,30})', marks)
    return [address for address in found if not address.startswith("https://doi.org/10.")]
