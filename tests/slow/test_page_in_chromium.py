"""The pages of real runs in a real browser: no error, nothing from the network, boxes that are drawn, no overflow."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from short_runs import short_protocol

from solvshell.analysis.sources import analyze_run
from solvshell.build import build_box
from solvshell.comparison import write_comparison
from solvshell.joined import analyze_runs
from solvshell.md import simulate
from solvshell.recipe import load_recipe
from solvshell.report import write_report
from solvshell.run import open_run

playwright = pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.slow

#: WebGL without a graphics card.
_OPTIONS = ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
#: Pixels of a canvas that are not white, by a copy of it on a plain one.
_INK = """canvas => {
  const copy = document.createElement("canvas");
  [copy.width, copy.height] = [canvas.width, canvas.height];
  const context = copy.getContext("2d");
  context.drawImage(canvas, 0, 0);
  const data = context.getImageData(0, 0, copy.width, copy.height).data;
  let ink = 0;
  for (let i = 0; i < data.length; i += 4) if (data[i + 3] > 0 && data[i] + data[i + 1] + data[i + 2] < 700) ink += 1;
  return ink;
}"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the page of a run, that of a folder of two replicas, and their comparison with the first by itself."""
    folder = tmp_path_factory.mktemp("page")
    boxes = {"runs/replica-00": "lb003", "runs/replica-01": "lb003", "other": "lb003_lino3"}
    for seed, (name, recipe) in enumerate(boxes.items()):
        build_box(load_recipe(recipe), seed=seed, n_salt=8).save(folder / "boxes" / name)
        analyze_run(simulate(open_run(folder / name, folder / "boxes" / name, short_protocol(), 0), "CPU"))
    analyze_runs(folder / "runs")
    write_report([folder / "other"], folder / "run.html")
    write_report([folder / "runs"], folder / "joined.html")
    write_comparison([folder / "runs", folder / "other"], folder / "comparison")
    return {
        "run": folder / "run.html",
        "joined": folder / "joined.html",
        "comparison": folder / "comparison" / "index.html",
    }


@pytest.fixture(scope="module")
def page_path(pages: dict[str, Path]) -> Path:
    return pages["run"]


@pytest.fixture(scope="module")
def browser() -> Iterator["playwright.Browser"]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium (Debian package chromium)")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=_OPTIONS)
        yield browser
        browser.close()


@dataclass
class Visit:
    """A page that was opened, and what the browser told of it."""

    page: "playwright.Page"
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def to_first_view(self) -> "playwright.Locator":
        """Go to the first view and return its canvas, drawn."""
        self.page.locator(".viewer").first.scroll_into_view_if_needed()
        canvas = self.page.locator(".viewer canvas").first
        canvas.wait_for()
        return canvas


def visit(browser: "playwright.Browser", path: Path, width: int, height: int, **settings: bool) -> Visit:
    page = browser.new_page(viewport={"width": width, "height": height}, **settings)
    page.set_default_timeout(120_000)  # machines of tests are busy
    found = Visit(page)
    page.on("console", lambda message: found.complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: found.complaints.append(str(error)))
    page.on("request", lambda request: found.requests.append(request.url))
    page.goto(path.as_uri())
    return found


@pytest.mark.parametrize("name", ["run", "joined", "comparison"])
@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844)])
def test_a_page(browser: "playwright.Browser", pages: dict[str, Path], name: str, width: int, height: int) -> None:
    seen = visit(browser, pages[name], width, height)
    canvas = seen.to_first_view()
    assert canvas.evaluate(_INK) > 500
    assert seen.page.locator(".viewer .picture").first.is_hidden()
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= width
    seen.page.locator("details").evaluate_all("all => all.forEach(one => one.open = true)")
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= width
    assert seen.complaints == []
    assert [url for url in seen.requests if not url.startswith(("file:", "data:", "blob:"))] == []
    seen.page.close()


def test_the_view_turns_and_comes_back_and_shells_are_chosen(browser: "playwright.Browser", page_path: Path) -> None:
    seen = visit(browser, page_path, 1280, 800)
    canvas = seen.to_first_view()
    at_first = canvas.evaluate("canvas => canvas.toDataURL()")
    seen.page.locator(".viewer .view").first.focus()
    seen.page.keyboard.press("ArrowRight")
    assert canvas.evaluate("canvas => canvas.toDataURL()") != at_first
    seen.page.locator(".viewer").first.get_by_text("reset").click()
    assert canvas.evaluate("canvas => canvas.toDataURL()") == at_first
    shells = seen.page.locator(".viewer").nth(1)
    shells.scroll_into_view_if_needed()
    shells.locator("canvas").wait_for()
    before = shells.locator("canvas").evaluate("canvas => canvas.toDataURL()")
    shells.locator("select").select_option("1")
    assert shells.locator("canvas").evaluate("canvas => canvas.toDataURL()") != before
    assert seen.complaints == []
    seen.page.close()


def test_without_scripts_there_is_a_picture(browser: "playwright.Browser", page_path: Path) -> None:
    seen = visit(browser, page_path, 1280, 800, java_script_enabled=False)
    assert seen.page.locator(".viewer .picture img").first.is_visible()
    assert seen.page.locator(".viewer .view").first.is_hidden()
    seen.page.close()
