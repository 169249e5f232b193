"""Files that were truncated, bent or made to do harm: read rightly or refused in one line, and nothing else happens."""

from __future__ import annotations

import io
import os
import resource
import struct
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from verify.errors import RequestError, terminal_line
from verify.io.arrays import Expected, read_arrays
from verify.io.folder import write_folder
from verify.io.lemmas import load_lemmas
from verify.io.request import make_request
from verify.io.results import toml_text
from verify.io.trajectory import trajectory_dataset, write_trajectory
from verify.systems.base import find_system

QUICK, MANY = 300, 4000

EXPECTED = {
    "X": Expected(("N", "M", "d")),
    "y": Expected(("N",)),
    "W": Expected(("d", "d_h")),
    "step_size": Expected((), required=False),
}


def arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "X": rng.standard_normal((4, 3, 5)),
        "y": np.array([1.0, -1.0, 1.0, -1.0]),
        "W": rng.standard_normal((5, 2)),
        "step_size": np.array(0.1),
    }


def archive(members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as zipped:
        for name, content in members.items():
            zipped.writestr(zipfile.ZipInfo(name), content, compression)
    return stream.getvalue()


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


MEMBERS = {f"{name}.npy": npy(array) for name, array in arrays().items()}
WHOLE = [archive(MEMBERS, compression) for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in a folder, so that what escapes from the inner one is seen in the outer one."""
    inner = tmp_path_factory.mktemp("hostile") / "inner"
    inner.mkdir()
    return inner


def refused(reading: Callable[[], Any]) -> Any:
    """What was read, or nothing where it is refused; anything else that is raised fails the test."""
    try:
        return reading()
    except RequestError as error:
        line = terminal_line(str(error))
        assert line.isprintable()
        assert len(line) < 1100
        return None


def read(folder: Path, content: bytes) -> dict[str, np.ndarray] | None:
    path = folder / "a.npz"
    path.write_bytes(content)
    before = set(folder.parent.rglob("*"))
    found = refused(lambda: read_arrays(path, EXPECTED)[0])
    assert set(folder.parent.rglob("*")) == before
    return None if found is None else dict(found)


def same_numbers(found: dict[str, np.ndarray]) -> None:
    for name, array in found.items():
        np.testing.assert_array_equal(array, arrays()[name], err_msg=name)


wholes = some.sampled_from(WHOLE)
places = some.floats(0, 1, exclude_max=True)


def truncated(folder: Path, whole: bytes, place: float) -> None:
    """Its directory is at the end of an archive."""
    assert read(folder, whole[: int(place * len(whole))]) is None


def flipped(folder: Path, whole: bytes, bits: list[tuple[float, int]]) -> None:
    """A flipped bit is never another number: every member has a checksum."""
    content = bytearray(whole)
    for place, bit in bits:
        content[int(place * len(content))] ^= 1 << bit
    if (found := read(folder, bytes(content))) is not None:
        same_numbers(found)


def spliced(folder: Path, whole: bytes, place: float, length: int, junk: bytes) -> None:
    at = int(place * len(whole))
    if (found := read(folder, whole[:at] + junk + whole[at + length :])) is not None:
        same_numbers(found)


flips = some.lists(some.tuples(places, some.integers(0, 7)), min_size=1, max_size=3)
lengths, junk = some.integers(0, 64), some.binary(max_size=64)


@settings(max_examples=QUICK)
@given(whole=wholes, place=places)
def test_truncated_archives(folder: Path, whole: bytes, place: float) -> None:
    truncated(folder, whole, place)


@settings(max_examples=QUICK)
@given(whole=wholes, bits=flips)
def test_flipped_bits(folder: Path, whole: bytes, bits: list[tuple[float, int]]) -> None:
    flipped(folder, whole, bits)


@pytest.mark.slow
@settings(max_examples=MANY)
@given(whole=wholes, bits=flips)
def test_many_flipped_bits(folder: Path, whole: bytes, bits: list[tuple[float, int]]) -> None:
    flipped(folder, whole, bits)


@settings(max_examples=QUICK)
@given(whole=wholes, place=places, length=lengths, junk=junk)
def test_spliced_archives(folder: Path, whole: bytes, place: float, length: int, junk: bytes) -> None:
    spliced(folder, whole, place, length, junk)


@pytest.mark.slow
@settings(max_examples=MANY)
@given(whole=wholes, place=places, length=lengths, junk=junk)
def test_many_spliced_archives(folder: Path, whole: bytes, place: float, length: int, junk: bytes) -> None:
    spliced(folder, whole, place, length, junk)


DTYPES = """
    '<f8' '>f8' '<f4' '>i2' '|u1' '<c16' '|O' '|b1' '<U9' '|V8' '<M8[s]' '<f16' 'f' '' 8 None [('a','<f8')] [('a','|O')]
    ('<f8',(2,)) '<f8'*9 {'names':['a']}
"""
dtypes = some.sampled_from(DTYPES.split())
lengths_of_axes = some.sampled_from([-1, 0, 1, 2, 3, 4, 5, 2**31, 2**40, 2**63 - 1, 2**63, 10**30, 1.5, None])
shapes = some.one_of(
    some.lists(lengths_of_axes, max_size=4).map(lambda lengths: repr(tuple(lengths))),
    some.sampled_from(["4", "'4'", "[4, 3, 5]", "(4, 3, 5", "(" * 200, "((4,),)", "__import__('os')", "1 << 99"]),
)
orders = some.sampled_from(["True", "False", "None", "2", "()"])
versions = some.sampled_from([b"\x01\x00", b"\x02\x00", b"\x03\x00", b"\x00\x00", b"\x09\x00"])
names = some.sampled_from(["X.npy", "X", "../X.npy", "/X.npy", "a/../../X.npy"])


def header(version: bytes, text: str, declared: int | None) -> bytes:
    content = text.encode()
    length = len(content) if declared is None else declared
    size = struct.pack("<H", length % 2**16) if version == b"\x01\x00" else struct.pack("<I", length % 2**32)
    return b"\x93NUMPY" + version + size + content


headers = some.builds(
    lambda version, dtype, order, shape, declared, data: (
        header(version, f"{{'descr': {dtype}, 'fortran_order': {order}, 'shape': {shape}}}\n", declared) + data
    ),
    versions,
    dtypes,
    orders,
    shapes,
    some.sampled_from([None, None, None, 0, 60_000, 2**32 - 1]),
    some.sampled_from([b"", bytes(8), bytes(480), b"\xff" * 480]),
)


def declared(folder: Path, name: str, content: bytes) -> None:
    """Whatever a header declares, what is read is 60 finite numbers of at most 64 bits."""
    found = read(folder, archive({**MEMBERS, "X.npy": content} if name == "X.npy" else {**MEMBERS, name: content}))
    if found is not None:
        assert found["X"].shape == (4, 3, 5)
        assert np.isfinite(found["X"]).all()


@settings(max_examples=QUICK)
@given(name=names, content=headers)
def test_headers_that_declare_anything(folder: Path, name: str, content: bytes) -> None:
    declared(folder, name, content)


@pytest.mark.slow
@settings(max_examples=MANY)
@given(name=names, content=headers)
def test_many_headers_that_declare_anything(folder: Path, name: str, content: bytes) -> None:
    declared(folder, name, content)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_named(value: float, tmp_path: Path) -> None:
    bent = arrays()
    bent["X"][1, 2, 3] = value
    np.savez(tmp_path / "a.npz", **bent)
    with pytest.raises(RequestError, match=r"X\[1, 2, 3\] in .* is (nan|inf|-inf)"):
        read_arrays(tmp_path / "a.npz", EXPECTED)


def test_the_other_order_of_bytes_gives_the_same_numbers(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **{name: array.astype(">f8") for name, array in arrays().items()})
    same_numbers(read_arrays(tmp_path / "a.npz", EXPECTED)[0])


BOMB = 100 * 2**20


def bomb(path: Path, start: bytes) -> Path:
    """An array that begins so, goes on with blanks that hardly take room, and is 100 MiB long."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name in ("y.npy", "W.npy"):
            zipped.writestr(name, MEMBERS[name])
        with zipped.open("X.npy", "w") as stream:
            stream.write(start)
            for _ in range(BOMB // 2**20):
                stream.write(b" " * 2**20)
    return path


@pytest.mark.parametrize("start", [b"\x93NUMPY\x02\x00" + struct.pack("<I", BOMB - 20), MEMBERS["X.npy"]])
def test_what_unpacks_to_much_more_takes_no_memory(start: bytes, tmp_path: Path) -> None:
    path = bomb(tmp_path / "a.npz", start)
    assert path.stat().st_size < BOMB / 100
    tracemalloc.start()
    try:
        with pytest.raises(RequestError, match="broken or truncated"):
            read_arrays(path, EXPECTED)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < BOMB / 100


class Touch:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    bent = arrays() | {"X": np.array([Touch(mark)], dtype=object), "extra": np.array([Touch(mark)], dtype=object)}
    np.savez(tmp_path / "a.npz", **bent)  # type: ignore[arg-type]
    with pytest.raises(RequestError, match="pickled objects"):
        read_arrays(tmp_path / "a.npz", EXPECTED)
    assert not mark.exists()
    np.load(tmp_path / "a.npz", allow_pickle=True)["extra"]
    assert mark.exists(), "it would have been"


# Configurations.

CONFIG = toml_text(make_request("benign-vit", settings={"N": 4}, steps=3).config("reduced")).encode()

atoms = some.one_of(
    some.sampled_from(["nan", "inf", "-inf", "1e400", "1979-05-27", "07:32:00", "true", "[]", "{}", "''", "0x7f"]),
    some.integers().map(str),
    some.floats().map(repr),
    some.text("az\x1b\u202e'\\", max_size=5).map(lambda text: '"' + text.replace("\\", "\\\\") + '"'),
)
values = some.recursive(atoms, lambda inner: some.lists(inner, max_size=3).map(lambda each: f"[{', '.join(each)}]"))
keys = some.sampled_from(
    ["system", "preset", "seed", "engine", "steps", "record_every", "instance", "instance_sha256", "problem", "zzz"]
)
fields = some.sampled_from(["N", "M", "d", "SNR", "r", "step_size", "balanced", "delta", "zzz", '"\\u001b[2J"', "N.N"])
configs = some.builds(
    lambda top, problem: "\n".join(
        [*(f"{key} = {value}" for key, value in top), "[problem]", *(f"{key} = {value}" for key, value in problem)]
    ).encode(errors="replace"),
    some.lists(some.tuples(keys, values), max_size=3),
    some.lists(some.tuples(fields, values), max_size=3),
)
bent_configs = some.builds(
    lambda place, length, junk: CONFIG[: int(place * len(CONFIG))] + junk + CONFIG[int(place * len(CONFIG)) + length :],
    places,
    lengths,
    junk,
)


def configured(folder: Path, content: bytes) -> None:
    path = folder / "c.toml"
    path.write_bytes(content)
    refused(lambda: make_request("benign-vit", config=path))


@settings(max_examples=QUICK // 3)
@given(content=configs | bent_configs)
def test_configurations(folder: Path, content: bytes) -> None:
    configured(folder, content)


@pytest.mark.slow
@settings(max_examples=MANY)
@given(content=configs | bent_configs)
def test_many_configurations(folder: Path, content: bytes) -> None:
    configured(folder, content)


@pytest.mark.parametrize(
    "content",
    [
        "[problem]\nN" + ".a" * 20 + " = 1",
        "[problem]\nN" + ".a" * 4000 + " = 1",
        "[problem]\nN = " + "[" * 400 + "]" * 400,
        'instance = "/dev/zero"\ninstance_sha256 = "0"',
        'instance = "pipe"\ninstance_sha256 = "0"',
        'instance = "a\\u0000b"\ninstance_sha256 = "0"',
        'instance = "../../../../../etc/passwd"',
        "steps = inf",
        "seed = " + 4000 * "9",
    ],
)
def test_configurations_made_to_do_harm(content: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    path = tmp_path / "c.toml"
    path.write_text(content)

    def load() -> Any:
        request = make_request("benign-vit", config=path)
        return request.instance is not None and request.system.load_instance(request.instance)

    assert refused(load) is None


# The user's own lemmas: a program, whose errors are told and whose numbers and texts are not taken for statements.

LEMMAS = """
from sympy import *
from proofs.language import *
from proofs.benign_vit.symbols import loss
def lemma(left, right=1):
    return Lemma(words="w", claim=Claim(left, "<=", right), source=Derived("mine"))
"""


@pytest.mark.parametrize(
    "text",
    [
        "raise SystemExit(0)",
        "import sys; sys.exit(0)",
        "raise GeneratorExit",
        "raise ValueError('two\\nlines \\x1b[2J')",
        "1 / 0",
        "x = (",
        "x = 1\0",
        "def again(): again()\nagain()",
        "x = 'a' * 10**13",
        "x = lemma(loss, 10**400)",
        "x = lemma(loss ** 10**400)",
        "x = lemma(loss / 10**400)",
        "x = lemma(loss, zoo)",
        "x = lemma(loss, 0.5)",
        'x = lemma(\'__import__("pathlib").Path("mark").touch()\')',
        "x = lemma(Symbol('y'))",
        "x = lemma(Function('f')(loss))",
        "x = lemma(None)",
        "x = lemma(loss * I)",
        "",
    ],
)
def test_lemmas_that_are_refused(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(LEMMAS + text)
    assert refused(lambda: load_lemmas(tmp_path / "mine.py", find_system("benign-vit"))) is None
    assert not (tmp_path / "mark").exists()


# Disks that are full.


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """No file of this process may grow beyond it."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("size", [0, 100, 20_000])
def test_a_trajectory_that_does_not_fit_leaves_nothing(size: int, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).standard_normal((50, 400))
    dataset = trajectory_dataset(range(50), {"value": noise}, {"value": ("token",)}, {}, {})
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine").write_text("mine")
    with files_up_to(size), pytest.raises(RequestError, match=r"^--out: .* cannot be written \("):
        write_folder(tmp_path / "run", {"trajectory.nc": lambda path: write_trajectory(dataset, path)})
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["mine"]
    write_folder(tmp_path / "run", {"trajectory.nc": lambda path: write_trajectory(dataset, path)})
    assert (tmp_path / "run" / "trajectory.nc").stat().st_size > 20_000
