"""The count of multiplications behind the floor of a step, against the products of one sample as arrays."""

import pytest

pytest.importorskip("torch")

from benchmarks.shallow_vit import floor
from verify.systems.shallow_vit.problem import Problem

PROBLEM = Problem.model_validate({"N": 6, "L": 10, "d": 7, "m": 6, "m_a": 5, "m_b": 8, "n_star": 2, "B": 4, "tau": 0.3})


def test_products_of_a_sample() -> None:
    by_weights = 2 * 10 * 7 * (2 * 8 + 5)
    by_tokens = 3 * 10**2 * (8 + 5)
    by_neurons = 3 * 10 * 5 * 6
    assert sum(one.multiplications for one in floor.products(PROBLEM)) == by_weights + by_tokens + by_neurons


def test_floor_is_the_count_at_a_rate() -> None:
    total = sum(one.multiplications for one in floor.products(PROBLEM))
    assert floor.floor(PROBLEM, 1e3) == pytest.approx(4 * total / 1e3)
    assert f"| together |  | {total:,} |" in floor.count(PROBLEM)
