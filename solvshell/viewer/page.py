"""Scenes in a page: what the page holds once, and a fragment for each viewer."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from markupsafe import Markup

from solvshell.viewer.library import three_dmol_source
from solvshell.viewer.scenes import Scene

_FOLDER = Path(__file__).parent
_FRAGMENT = Markup("""<div class="viewer">
<div class="picture">{picture}</div>
<div class="bar" hidden><select aria-label="what to show"></select><button type="button">spin</button>\
<button type="button">reset</button>\
<span class="hint">Click or tap it; then drag turns, wheel or pinch zooms.</span></div>
<div class="view" role="img" tabindex="0" hidden></div>
<div class="legend" hidden></div>
<script type="application/json">{scenes}</script>
</div>""")


def viewer_script() -> Markup:
    """Return what a page with viewers holds once, behind the last of them: styles and scripts."""
    style, script = ((_FOLDER / f"viewer.{suffix}").read_text(encoding="utf-8") for suffix in ("css", "js"))
    return Markup(f"<style>\n{style}</style>\n<script>{three_dmol_source()}</script>\n<script>\n{script}</script>")  # noqa: S704


def _for_script(scenes: Sequence[Scene]) -> Markup:
    """Return scenes as JSON in which nothing closes a ``<script>`` element, whatever names they hold."""
    text = json.dumps([asdict(scene) for scene in scenes], separators=(",", ":"))
    return Markup(text.replace("<", r"\u003c").replace(">", r"\u003e").replace("&", r"\u0026"))  # noqa: S704


def scene_html(scenes: Sequence[Scene], picture: Markup | str = "") -> Markup:
    """Return a viewer of scenes as a fragment of a page, which holds `viewer_script` once, behind its last viewer.

    A chooser offers the scenes; buttons spin the view and bring it back. Nothing is loaded from anywhere.

    Parameters
    ----------
    scenes
        One or more.
    picture
        What stands in place of the view where scripts or WebGL are off; a plain string is escaped.
    """
    return _FRAGMENT.format(picture=picture, scenes=_for_script(scenes))
