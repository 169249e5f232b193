"""The machine that the numbers belong to."""

import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from threadpoolctl import threadpool_info, threadpool_limits

LIBRARIES = ("numpy", "numba", "scipy", "torch")


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread in every library.

    Raises:
        SystemExit: if one of them does not obey.
    """
    torch.set_num_threads(1)
    with threadpool_limits(limits=1):
        busy = [pool["filepath"] for pool in threadpool_info() if pool["num_threads"] != 1]
        if busy or torch.get_num_threads() != 1:
            raise SystemExit(f"benchmarks: cannot be held to one thread: {', '.join(busy) or 'torch'}")
        yield


def describe() -> dict[str, str]:
    """Processor, system and versions."""
    return {
        "processor": f"{_processor()}, {os.cpu_count()} cores, shared with other work",
        "load": f"{os.getloadavg()[0]:.1f} over the minute before the measurement began",
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "libraries": ", ".join(f"{name} {version(name)}" for name in LIBRARIES),
    }


def matrix_product_seconds(rows: int, inner: int, columns: int, repeats: int = 300) -> float:
    """The best time of NumPy's float64 product at this shape."""
    rng = np.random.default_rng(0)
    left, right = rng.standard_normal((rows, inner)), rng.standard_normal((inner, columns))
    out = np.empty((rows, columns))
    times = []
    for _ in range(repeats):
        begun = time.process_time()
        np.matmul(left, right, out=out)
        times.append(time.process_time() - begun)
    return min(times)


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown processor"
