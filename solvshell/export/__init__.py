"""Box -> files of another engine, with the same model."""

from solvshell.export.write import FORMATS, export_box

__all__ = ["FORMATS", "export_box"]
