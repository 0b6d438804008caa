"""3Dmol.js as it was published, with its licences: pages and notebooks hold it, and load nothing."""

from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent / "3dmol"
#: That of the library, and of what is bundled with it.
_LICENSES = ("LICENSE", "LICENSES-OF-DEPENDENCIES")


@cache
def three_dmol_source() -> str:
    """Return 3Dmol.js (BSD-3-Clause) as one script, which begins with the licences that must go with it.

    It makes the global ``$3Dmol``, asks nothing of the network, and holds nothing that closes a ``<script>`` element.
    `record.json` beside it says which version it is, where it is from, and its SHA-256.
    """
    licenses = "\n\n".join((_FOLDER / name).read_text(encoding="utf-8") for name in _LICENSES)
    return f"/*!\n{licenses}\n*/\n{(_FOLDER / '3Dmol-min.js').read_text(encoding='utf-8')}"
