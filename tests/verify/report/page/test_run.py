"""The page of a run: well-formed, complete, self-contained, and nobody's words are markup on it."""

import re
from pathlib import Path
from typing import Any

import pytest

import verify
from verify.io.saved import load_run
from verify.report.page.run import run_page, shown
from verify.runs import Run
from verify.systems.base import find_system

SECTIONS = ("summary", "claims", "verdicts", "condition", "graph", "dynamics", "attention", "statements", "repeat")


def ids(tree: Any) -> list[str]:
    return [each.attrib["id"] for each in tree.iter() if isinstance(each.tag, str) and "id" in each.attrib]


def text_of(element: Any) -> str:
    return "".join(element.itertext())


@pytest.mark.parametrize("which", ["page", "again", "study_page"])
def test_a_page_is_well_formed_and_its_links_lead_somewhere(
    which: str, parsed: Any, request: pytest.FixtureRequest
) -> None:
    tree = parsed(request.getfixturevalue(which))
    found = ids(tree)
    assert len(found) == len(set(found))
    links = {each.attrib["href"] for each in tree.iter() if isinstance(each.tag, str) and "href" in each.attrib}
    assert links
    assert {link for link in links if not link.startswith("#") or link[1:] not in found} == set()


@pytest.mark.parametrize("which", ["page", "study_page"])
def test_a_page_fetches_nothing(which: str, parsed: Any, request: pytest.FixtureRequest) -> None:
    text = request.getfixturevalue(which)
    assert "default-src 'none'" in text
    assert not re.search(r"https?://|//cdn|@import|url\((?!#)", text)
    for each in parsed(text).iter():
        if isinstance(each.tag, str):
            assert each.tag not in ("img", "iframe", "object", "embed", "form")
            assert not {"src", "srcset", "action", "formaction"} & set(each.attrib)


def test_every_section_and_every_statement_is_there(page: str, parsed: Any, finished: Run) -> None:
    found = ids(parsed(page))
    assert set(SECTIONS) <= set(found)
    for name in [*find_system("benign-vit").statements(), *(row["lemma"].split("/")[1] for row in finished.verdicts)]:
        assert f"lemma-{name}" in found


def test_counts_are_those_of_the_record(page: str, parsed: Any, finished: Run) -> None:
    tree = parsed(page)
    shown = {}
    for item in tree.iter("li"):
        if (
            item.find("b") is not None
            and item.find("span") is not None
            and item.attrib.get("class")
            in (
                "good",
                "bad",
                "open",
                "unmet",
                "away",
            )
        ):
            shown[text_of(item.find("span"))[2:]] = int(text_of(item.find("b")))
    verdicts = [row["verdict"] for row in finished.verdicts]
    assert shown == {kind: verdicts.count(kind) for kind in shown}
    assert sum(shown.values()) == len(verdicts)
    assert shown["violated"] == 1


@pytest.mark.parametrize("which", ["page", "again"])
def test_words_of_a_lemma_are_shown_and_not_executed(
    which: str, parsed: Any, hostile: str, request: pytest.FixtureRequest
) -> None:
    tree = parsed(request.getfixturevalue(which))
    panels = [each for each in tree.iter("article") if each.attrib["id"] == "lemma-never-so-large"]
    assert hostile in text_of(panels[0])
    assert not any(each.tag == "img" for each in tree.iter())
    scripts = [text_of(each) for each in tree.iter("script")]
    assert not any("hurt" in script for script in scripts if "use strict" in script)
    handlers = {name for each in tree.iter() if isinstance(each.tag, str) for name in each.attrib if name[:2] == "on"}
    assert handlers == set()


def test_the_folder_gives_the_same_page_up_to_own_formulas(page: str, again: str, folder: Path, finished: Run) -> None:
    """Lemmas of the user's are known by their record alone, unless their file is given."""
    assert page != again
    own = [verdict.statement for verdict in finished.judged]
    assert run_page(shown(load_run(folder), own)) == page  # type: ignore[arg-type]


def test_both_sides_are_drawn_for_every_judged_claim(page: str, parsed: Any, finished: Run) -> None:
    for panel in parsed(page).iter("article"):
        name = panel.attrib["id"].removeprefix("lemma-")
        row = next((row for row in finished.verdicts if row["lemma"] == f"benign-vit/{name}"), None)
        if row is None:
            continue
        wanted = sum(claim["at_step"] is not None and not claim["snapshots"] for claim in row["claims"])
        charts = [each for each in panel.iter("figcaption") if text_of(each) == "Both sides over the steps"]
        assert len(charts) == wanted, name


def test_sides_that_were_not_recorded_are_not_invented(folder: Path, finished: Run, tmp_path: Path) -> None:
    for name in ("problem.toml", "verdicts.json", "trajectory.nc"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    text = run_page(shown(load_run(tmp_path)))
    assert "Both sides were not recorded." in text
    assert "Both sides over the steps" not in text


def test_a_readers_own_number_stands_beside_the_name(folder: Path, tmp_path: Path) -> None:
    for each in folder.iterdir():
        (tmp_path / each.name).write_bytes(each.read_bytes())
    (tmp_path / "numbering.toml").write_text('[lemmas]\n"7.<3>" = "loss-derivative-near-half"\n')
    assert '<span class="number">7.&lt;3&gt;</span>' in run_page(shown(load_run(tmp_path)))


def test_a_folder_without_a_run_is_refused_in_a_line(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(verify.RequestError, match="holds no run"):
        load_run(tmp_path)
    (tmp_path / "verdicts.json").write_bytes((folder / "verdicts.json").read_bytes())
    with pytest.raises(verify.RequestError, match=r"problem\.toml cannot be read"):
        shown(load_run(tmp_path))


def test_the_report_command_writes_the_page_again(command: Any, folder: Path, tmp_path: Path, again: str) -> None:
    target = tmp_path / "new" / "page.html"
    assert command("report", folder, "--out", target).status == 0
    assert target.read_text(encoding="utf-8") == again
    assert command("report", tmp_path / "nowhere").status == 2


@pytest.mark.parametrize("system", [pytest.param("token-selection", marks=pytest.mark.slow), "shallow-vit"])
def test_other_systems_have_their_page(system: str, parsed: Any, tmp_path: Path) -> None:
    settings = {"token-selection": {"d": 200, "test_samples": 50}, "shallow-vit": {}}[system]
    run: Run = verify.run(system, settings=settings, steps=12)
    run.save(tmp_path / "run")
    found = ids(parsed((tmp_path / "run" / "report.html").read_text(encoding="utf-8")))
    assert set(SECTIONS) <= set(found)
    assert {f"lemma-{name}" for name in find_system(system).statements()} <= set(found)


def test_a_run_that_left_float64_has_a_page(parsed: Any, tmp_path: Path) -> None:
    settings = {"N": 4, "d": 1e6, "d_h": 1e6, "step_size": 1e200, "test_samples": 10}
    verify.run("benign-vit", settings=settings, steps=20).save(tmp_path / "run")
    parsed((tmp_path / "run" / "report.html").read_text(encoding="utf-8"))
