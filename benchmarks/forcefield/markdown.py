"""Data frames as tables of a page."""

import pandas as pd
from pages import table


def markdown(frame: pd.DataFrame, digits: int = 1) -> str:
    """Return a frame as a Markdown table without its index: floats with `digits` decimals, a dash for none."""

    def cell(value: object) -> str:
        if isinstance(value, float):
            return "–" if pd.isna(value) else f"{value:.{digits}f}"
        return "–" if value is None else str(value)

    rows = [[cell(value) for value in row] for row in frame.itertuples(index=False)]
    return table([str(name) for name in frame.columns], rows)
