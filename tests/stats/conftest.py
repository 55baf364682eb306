"""Hypothesis keeps its files out of the repository.

pytest warns about a ``.hypothesis`` folder in the root when ``norecursedirs`` is set, and warnings
are errors here.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import configuration

configuration.set_hypothesis_home_dir(Path(tempfile.gettempdir()) / "hypothesis-of-stats")
