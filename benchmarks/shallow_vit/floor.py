"""What a step with token noise must multiply at the least, and how long that takes at the processor's float64 peak."""

from typing import NamedTuple

from benchmarks import machine
from benchmarks.tables import table
from verify.systems.shallow_vit.problem import Problem

PEAK_SIZE, PEAK_REPEATS = 1000, 10
"""Square products at which the float64 peak is measured."""


class Product(NamedTuple):
    """A matrix product of one sample: what it makes, and its shape."""

    makes: str
    rows: int
    inner: int
    columns: int

    @property
    def multiplications(self) -> int:
        """Multiplications with an addition each."""
        return self.rows * self.inner * self.columns


def products(problem: Problem) -> list[Product]:
    """The products of one active sample whose tokens all differ.

    Everything goes through the rows of W_Q, W_K and W_V, fewer than tokens and coordinates, and nothing is made twice.
    """
    L, d, m, heads, width = problem.L, problem.d, problem.m, problem.m_b, problem.m_a
    inner = 2 * heads + width
    return [
        Product("queries, keys, values", inner, d, L),
        Product("scores", L, heads, L),
        Product("mixed values", width, L, L),
        Product("hidden units", m, width, L),
        Product("effects of values", width, m, L),
        Product("effects of tokens", L, width, L),
        Product("derivatives by queries", heads, L, L),
        Product("derivatives by keys", heads, L, L),
        Product("derivatives by values", width, L, L),
        Product("gradients by W_Q, W_K, W_V", inner, L, d),
        Product("gradient by W_O", m, L, width),
    ]


def count(problem: Problem) -> str:
    """The products as a table."""
    each = products(problem)
    rows = [(one.makes, f"{one.rows} x {one.inner} x {one.columns}", f"{one.multiplications:,}") for one in each]
    total = sum(one.multiplications for one in each)
    return table(("product of a sample", "shape", "multiplications"), [*rows, ("together", "", f"{total:,}")])


def peak() -> float:
    """Multiplications with additions a second, of large square products in float64."""
    return PEAK_SIZE**3 / machine.matrix_product_seconds(PEAK_SIZE, PEAK_SIZE, PEAK_SIZE, repeats=PEAK_REPEATS)


def floor(problem: Problem, a_second: float) -> float:
    """Seconds of the products of a step at a rate."""
    return problem.B * sum(one.multiplications for one in products(problem)) / a_second
