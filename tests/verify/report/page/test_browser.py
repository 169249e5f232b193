"""The page in a browser: it loads alone, answers mouse and keyboard, and is accessible in both themes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from verify.engines.schedule import Schedule
from verify.io.saved import load_run
from verify.report.page.run import Shown, run_page, shown

sync_api = pytest.importorskip("playwright.sync_api")

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SECTIONS = ("summary", "claims", "verdicts", "condition", "graph", "dynamics", "attention", "statements", "repeat")
INTERACTIVE_WITHIN = 2.0
"""Seconds of the browser's own work until the page answers."""

LARGEST = 15e6
"""Bytes of a page."""

pytestmark = pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="there is no chromium here")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield started
        started.close()


Opened = Callable[..., Any]


@pytest.fixture
def opened(browser: Any, folder: Path) -> Opened:
    """The page in a window; what it complains about or asks the network for fails the test."""

    @contextmanager
    def open_page(
        path: Path = folder / "report.html", fragment: str = "", width: int = 1400, theme: str = "light"
    ) -> Any:
        window = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=theme)
        complaints: list[str] = []
        requests: list[str] = []
        window.on("console", lambda message: complaints.append(message.text))
        window.on("pageerror", lambda error: complaints.append(str(error)))
        window.on("request", lambda request: requests.append(request.url))
        window.goto(path.as_uri() + fragment)
        window.wait_for_function("document.documentElement.dataset.ready === 'yes'")
        try:
            yield window
            assert complaints == []
            assert {url.split("#")[0] for url in requests} == {path.as_uri()}
        finally:
            window.close()

    return open_page


def focused(window: Any) -> str:
    return str(window.evaluate("document.querySelector('#graph-view a.centre')?.dataset.name ?? ''"))


def test_the_page_loads_alone_and_shows_every_section(opened: Opened) -> None:
    with opened() as window:
        for section in SECTIONS:
            assert window.locator(f"#{section}").is_visible(), section
        assert window.evaluate("window.hurt") is None
        assert window.locator("#lemma-never-so-large").count() == 1


@pytest.mark.slow
@pytest.mark.parametrize("planted", ["<img src='https://example.org/x.png'>", "<script>nothing.there</script>"])
def test_what_is_asked_of_the_network_and_what_fails_is_seen(
    opened: Opened, planted: str, page: str, tmp_path: Path
) -> None:
    """The control of the tests here."""
    (tmp_path / "bad.html").write_text(page.replace("</main>", f"{planted}</main>"), encoding="utf-8")
    with pytest.raises(AssertionError), opened(tmp_path / "bad.html") as window:
        window.wait_for_timeout(200)


@pytest.mark.slow
def test_a_script_that_is_not_the_pages_own_does_not_run(browser: Any, page: str, tmp_path: Path) -> None:
    (tmp_path / "bad.html").write_text(page.replace("</main>", "<script>window.hurt = 3</script></main>"))
    window = browser.new_page()
    window.goto((tmp_path / "bad.html").as_uri())
    window.wait_for_function("document.documentElement.dataset.ready === 'yes'")
    assert window.evaluate("window.hurt") is None
    window.close()


@pytest.mark.slow
def test_the_graph_answers_the_mouse_and_the_fragment_keeps_it(opened: Opened, folder: Path) -> None:
    with opened() as window:
        window.locator("#graph-view a[data-name=stage-two-step]").click()
        assert focused(window) == "stage-two-step"
        assert "graph=stage-two-step&depth=2" in window.url
        window.locator("#depth").select_option("1")
        assert "depth=1" in window.url
        near = window.locator("#graph-view a.near").count()
        window.locator("#depth").select_option("all")
        assert window.locator("#graph-view a.near").count() > near
        fragment = "#" + window.url.split("#")[1]
    with opened(fragment=fragment) as window:
        assert focused(window) == "stage-two-step"
        assert window.locator("#depth").input_value() == "all"
        window.locator("#clear").click()
        assert focused(window) == ""
        assert window.locator("#graph-view.focused").count() == 0


@pytest.mark.slow
def test_the_graph_answers_the_keyboard(opened: Opened) -> None:
    with opened() as window:
        box = window.locator("#graph-view a[data-name=quarter-lipschitz]")
        box.focus()
        window.keyboard.press("Enter")
        assert focused(window) == "quarter-lipschitz"
        window.keyboard.press("ArrowLeft")
        assert window.evaluate("document.activeElement.dataset.name") == "distance-from-half"
        window.keyboard.press("ArrowRight")
        assert window.evaluate("document.activeElement.dataset.name") != "distance-from-half"
        window.keyboard.press("ArrowDown")
        window.keyboard.press("Escape")
        assert focused(window) == ""
        box.focus()
        window.keyboard.press("Enter")
        window.keyboard.press("Enter")
        assert window.url.endswith("#lemma-quarter-lipschitz")
        assert window.locator("#lemma-quarter-lipschitz").is_visible()


@pytest.mark.slow
def test_a_link_opens_the_group_that_holds_its_panel(opened: Opened) -> None:
    with opened(fragment="#lemma-phase-boundary") as window:
        assert window.locator("#lemma-phase-boundary").is_visible()


def shades(window: Any) -> Any:
    """The colours of every map, read from copies: the page's own canvases are not made to be read."""
    return window.evaluate(
        """[...document.querySelectorAll('#attention canvas')].map(canvas => {
            const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', {willReadFrequently: true});
            copy.drawImage(canvas, 0, 0);
            return [...copy.getImageData(0, 0, canvas.width, canvas.height).data];
        })"""
    )


@pytest.mark.slow
def test_the_slider_moves_attention_by_keyboard_and_mouse(opened: Opened) -> None:
    with opened() as window:
        slider = window.locator("#attention-step")
        last = shades(window)
        slider.focus()
        window.keyboard.press("Home")
        assert window.locator("#attention-at").inner_text() == "step 0"
        assert slider.get_attribute("aria-valuetext") == "step 0"
        first = shades(window)
        assert first != last
        window.keyboard.press("ArrowRight")
        assert window.locator("#attention-at").inner_text() != "step 0"
        place = slider.bounding_box()
        slider.click(position={"x": place["width"] - 2, "y": place["height"] / 2})
        assert shades(window) == last
        window.locator("#attention canvas").first.hover()
        assert "query" in window.locator("#attention-reading").inner_text()


@pytest.mark.slow
def test_attention_is_drawn_as_it_was_recorded(opened: Opened, finished: Any) -> None:
    with opened() as window:
        drawn = shades(window)
    attention = finished.trajectory["attention"].values[-1]
    for found, wanted in zip(drawn, attention, strict=True):
        for red, share in zip(found[::4], wanted.ravel(), strict=True):
            assert abs((247 - red) / (247 - 8) - share) <= 0.5 / 255 + 1.0 / 239


@pytest.mark.slow
def test_charts_are_read_off_by_mouse_and_keyboard(opened: Opened) -> None:
    with opened() as window:
        chart = window.locator("#dynamics .chart").first
        plot = chart.locator(".plot")
        plot.scroll_into_view_if_needed()
        plot.hover()
        assert chart.locator(".reading").inner_text().startswith("step ")
        plot.focus()
        window.keyboard.press("Home")
        assert chart.locator(".reading").inner_text().startswith("step 0: loss 0.69")
        window.keyboard.press("ArrowRight")
        assert chart.locator(".reading").inner_text().startswith("step 1:")


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1400])
@pytest.mark.parametrize("which", ["run", "study"])
def test_nothing_sticks_out_sideways(
    opened: Opened, width: int, which: str, study_page: str, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "study.html").write_text(study_page, encoding="utf-8")
    with opened(folder / "report.html" if which == "run" else tmp_path / "study.html", width=width) as window:
        assert window.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.slow
def test_the_theme_is_the_systems_until_the_reader_chooses(opened: Opened) -> None:
    def paper(window: Any) -> str:
        return str(window.evaluate("getComputedStyle(document.body).backgroundColor"))

    with opened(theme="dark") as window:
        dark = paper(window)
        window.locator("#theme").click()
        light = paper(window)
        assert light != dark
        window.locator("#theme").click()
        assert paper(window) == dark
    with opened(theme="light") as window:
        assert paper(window) == light
        window.emulate_media(media="print", color_scheme="dark")
        assert not window.locator("header").is_visible()


def serious_faults(window: Any) -> list[str]:
    """The serious faults that axe finds, each with an element that has it."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    found = axe.Axe().run(window).response["violations"]
    serious = [each for each in found if each["impact"] in ("serious", "critical")]
    return [f"{each['id']}, {len(each['nodes'])} times: {each['nodes'][0]['html'][:200]}" for each in serious]


@pytest.mark.slow
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("which", ["run", "study"])
def test_axe_finds_no_serious_fault(
    opened: Opened, theme: str, which: str, study_page: str, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "study.html").write_text(study_page, encoding="utf-8")
    with opened(folder / "report.html" if which == "run" else tmp_path / "study.html", theme=theme) as window:
        window.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
        assert serious_faults(window) == []
        window.evaluate("document.querySelector('main').append(document.createElement('button'))")
        assert any("button-name" in fault for fault in serious_faults(window))  # what is planted is found


def stretched(run: Shown) -> Shown:
    """The same run with as many samples as by default, and as many states as 400,000 steps leave."""
    steps = np.array(Schedule(400_000).within(0, 400_000))
    states = np.linspace(0, run.trajectory.sizes["step"] - 1, len(steps)).round().astype(int)
    samples = np.arange(20) % run.trajectory.sizes["sample"]
    trajectory = run.trajectory.isel(step=states, sample=samples).assign_coords(step=steps)
    assert run.sides is not None
    places = np.linspace(0, run.sides.sizes["step"] - 1, len(steps)).round().astype(int)
    sides = run.sides.isel(step=places).assign_coords(step=steps)
    return replace(run, trajectory=trajectory, sides=sides, record={**run.record, "steps": 400_000})


@pytest.mark.slow
def test_the_page_of_a_long_run_is_small_and_soon_interactive(browser: Any, folder: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text(run_page(stretched(shown(load_run(folder)))), encoding="utf-8")
    assert page.stat().st_size < LARGEST
    window = browser.new_page(viewport={"width": 1400, "height": 900})
    session = window.context.new_cdp_session(window)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    window.goto(page.as_uri())
    window.wait_for_function("document.documentElement.dataset.ready === 'yes'")
    metrics = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
    window.close()
    assert 0.0 < metrics["TaskDuration"] < INTERACTIVE_WITHIN
