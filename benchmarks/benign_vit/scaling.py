"""Cost of a step of the reduced engine against d and against d_h, on problems drawn at reduced size."""

from dataclasses import dataclass

from benchmarks.benign_vit.meetings import SAMPLES, SEED, TOKENS, problem, reduced_engine
from benchmarks.timing import Spread, interleaved, ratios
from verify.systems.benign_vit.draw import draw

LARGE = 10**8
DIMENSIONS = (10**3, 10**5, LARGE, 10**12, 10**15)
HEADS = (16, 64, 124, 10**3, 10**5, LARGE, 10**12, 10**15)
ROUNDS = 9
PRODUCT = (62, 62, 248)
"""Shape of a step's matrix product where d_h is large: Gram matrix of 62 tokens, directions of width 248."""


@dataclass(frozen=True)
class Point:
    """One size, its time per step, and that over the time at d = d_h = 1e8."""

    d: int
    d_h: int
    seconds: Spread
    ratio: Spread


@dataclass(frozen=True)
class Scaling:
    """Points along d (at one d_h) and along d_h (at one d)."""

    along_d: list[Point]
    along_heads: list[Point]


def measure() -> Scaling:
    """Time the reduced engine at all sizes, interleaved."""
    sizes = [(d, LARGE) for d in DIMENSIONS] + [(LARGE, heads) for heads in HEADS if heads != LARGE]
    problems = [problem(SAMPLES, TOKENS, d, heads) for d, heads in sizes]
    times = interleaved([reduced_engine(draw(drawn, SEED, full=False)) for drawn in problems], ROUNDS)
    compared = ratios(times, to=sizes.index((LARGE, LARGE)))
    points = [
        Point(d, heads, Spread.of(row), ratio) for (d, heads), row, ratio in zip(sizes, times, compared, strict=True)
    ]
    return Scaling(
        along_d=[point for point in points if point.d_h == LARGE],
        along_heads=sorted((point for point in points if point.d == LARGE), key=lambda point: point.d_h),
    )
