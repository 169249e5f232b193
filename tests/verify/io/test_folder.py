"""The folder of a run: whole or not at all."""

import errno
import fcntl
import os
from pathlib import Path

import pytest

from verify.errors import RequestError
from verify.io.folder import MARK, REPLAY, SCRATCH, check_folder, hold_folder, write_folder


def text(content: str) -> object:
    return lambda path: path.write_text(content)


FILES = {"a.txt": text("a"), MARK: text("{}")}


def listing(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize("name", [".", "new", "new/below/that"])
def test_files_are_written_and_nothing_else(name: str, tmp_path: Path) -> None:
    target = tmp_path / name
    check_folder(target, force=False)
    assert listing(tmp_path) == [], "checking leaves nothing"
    write_folder(target, FILES)
    assert listing(target) == ["a.txt", MARK]
    assert (target / "a.txt").read_text() == "a"


def test_results_are_readable_for_whoever_may_read_new_files(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.touch()
    write_folder(tmp_path / "run", FILES)
    assert (tmp_path / "run" / "a.txt").stat().st_mode == plain.stat().st_mode


def test_a_folder_that_holds_a_run_is_kept_unless_forced(tmp_path: Path) -> None:
    write_folder(tmp_path, FILES)
    with pytest.raises(RequestError, match="holds another run"):
        check_folder(tmp_path, force=False)
    check_folder(tmp_path, force=True)
    write_folder(tmp_path, {"a.txt": text("new"), MARK: text("[]")})
    assert (tmp_path / "a.txt").read_text() == "new"
    assert (tmp_path / MARK).read_text() == "[]"


def test_other_files_of_a_folder_stay(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("mine")
    check_folder(tmp_path, force=False)
    write_folder(tmp_path, FILES)
    assert (tmp_path / "notes").read_text() == "mine"


@pytest.mark.parametrize("path", ["file", "file/below", f"{os.devnull}/below", "x" * 300, f"x/{'y' * 300}/z"])
def test_what_can_hold_no_folder_is_refused(path: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RequestError, match=r"^--out: "):
        check_folder(tmp_path / path, force=True)
    assert listing(tmp_path) == ["file"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    for target in (closed, closed / "below"):
        with pytest.raises(RequestError, match="Permission denied"):
            check_folder(target, force=False)


def full_disk(path: Path) -> None:
    path.write_text("half")
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def broken_writer(path: Path) -> None:
    path.write_text("half")
    raise ValueError


def pressed_control_c(path: Path) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("writer", "raised"),
    [(full_disk, RequestError), (broken_writer, ValueError), (pressed_control_c, KeyboardInterrupt)],
)
@pytest.mark.parametrize("name", [".", "new/below"])
def test_a_failure_leaves_things_as_they_were(
    writer: object, raised: type[BaseException], name: str, tmp_path: Path
) -> None:
    write_folder(tmp_path / "old", FILES)
    before = listing(tmp_path)
    with pytest.raises(raised):
        write_folder(tmp_path / name, {"a.txt": text("a"), "b.txt": writer, MARK: text("{}")})
    assert listing(tmp_path) == before


def test_nothing_of_the_run_that_is_replaced_stays(tmp_path: Path) -> None:
    write_folder(tmp_path, {**FILES, REPLAY: text("of the first")})
    write_folder(tmp_path, FILES)
    assert listing(tmp_path) == ["a.txt", MARK]


@pytest.mark.parametrize("name", [".", "new", "new/below"])
def test_a_folder_is_held_by_one_run(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    with hold_folder(folder, force=False):
        descriptor = os.open(folder, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(descriptor)
    assert listing(tmp_path) == [], "what was made for it is gone"
    with hold_folder(folder, force=False):
        write_folder(folder, FILES)
    assert listing(folder) == ["a.txt", MARK]


def test_a_folder_that_another_run_holds_is_refused(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with pytest.raises(RequestError, match=r"^--out: .* is in use by another run"), hold_folder(tmp_path, force=False):
        pass
    with pytest.raises(RequestError, match="in use by another run"):
        write_folder(tmp_path, FILES)
    os.close(descriptor)
    assert listing(tmp_path) == []


def test_a_file_system_without_locks_is_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*words: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("verify.io.folder.fcntl.flock", none)
    with hold_folder(tmp_path, force=False):
        write_folder(tmp_path, FILES)
    assert listing(tmp_path) == ["a.txt", MARK]


def test_what_a_killed_run_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / f"{SCRATCH}left").mkdir()
    (tmp_path / f"{SCRATCH}left" / "half").touch()
    write_folder(tmp_path, FILES)
    assert listing(tmp_path) == ["a.txt", MARK]


def test_links_in_a_folder_are_replaced_and_not_followed(tmp_path: Path) -> None:
    folder, mine = tmp_path / "run", tmp_path / "mine"
    folder.mkdir()
    mine.write_text("mine")
    (folder / "a.txt").symlink_to(mine)
    (folder / MARK).symlink_to(tmp_path / "nowhere")
    write_folder(folder, FILES)
    assert mine.read_text() == "mine"
    assert (folder / "a.txt").read_text() == "a"
    assert listing(tmp_path) == ["mine", "run", "run/a.txt", f"run/{MARK}"]
