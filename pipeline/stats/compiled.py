"""One way to compile: cached on disk where that is possible, in memory where it is not.

numba raises at import when ``cache=True`` and no cache folder can be written. :func:`jit` asks
for a cache only after a writable folder was found, so a read-only installation still runs.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _cache_folder() -> Path | None:
    named = os.environ.get("NUMBA_CACHE_DIR")
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    choices = [Path(named)] if named else [base / "batik-cluster-atlas" / "numba"]
    return next((folder for folder in choices if _writable(folder)), None)


_FOLDER = _cache_folder()
if _FOLDER is not None:
    os.environ["NUMBA_CACHE_DIR"] = str(_FOLDER)


def jit(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Return ``numba.njit`` with a disk cache when one is writable.

    Parameters
    ----------
    **options
        Passed to :func:`numba.njit` (``parallel``, ``fastmath`` ...).

    Examples
    --------
    >>> double = jit()(lambda x: 2 * x)
    >>> double(4)
    8
    """
    import numba

    def compile_(function: Callable[..., Any]) -> Any:
        if _FOLDER is not None:
            try:
                return numba.njit(cache=True, nogil=True, **options)(function)
            except RuntimeError:  # numba finds no place for this function's cache
                pass
        return numba.njit(nogil=True, **options)(function)

    return compile_
