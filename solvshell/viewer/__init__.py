"""Boxes and shells to turn by hand: scenes for 3Dmol.js, which comes with the package, in pages and notebooks."""

from solvshell.viewer.library import three_dmol_source
from solvshell.viewer.page import scene_html, viewer_script
from solvshell.viewer.scenes import Scene, scene_of_box, scene_of_frame, scene_of_shell

__all__ = [
    "Scene",
    "scene_html",
    "scene_of_box",
    "scene_of_frame",
    "scene_of_shell",
    "three_dmol_source",
    "viewer_script",
]
