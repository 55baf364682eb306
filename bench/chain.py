"""How long `make maps` takes: cold, with one layer file changed, with nothing changed.

Whole processes, as a user starts them, in folders of their own; sizes of the products beside.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from record import record

ROOT = Path(__file__).resolve().parents[1]


def maps(layers: Path, outputs: Path) -> float:
    """Run the whole chain for the first study area; return seconds."""
    command = [
        sys.executable, "-m", "pipeline", "maps", "--boundaries", "approximate",
        "--layers-folder", str(layers), "--outputs-folder", str(outputs),
    ]  # fmt: skip
    start = time.perf_counter()
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    """Measure and record."""
    with tempfile.TemporaryDirectory() as name:
        layers, outputs = Path(name) / "layers", Path(name) / "outputs"
        shutil.copytree(ROOT / "layers", layers)
        cold = maps(layers, outputs)
        nothing = maps(layers, outputs)
        one = layers / "employment.yaml"
        one.write_text(one.read_text().replace("classes: 4", "classes: 3"))
        changed = maps(layers, outputs)
        atlas = next(outputs.glob("*/atlas.html")).stat().st_size
        package = next(outputs.glob("*/atlas.gpkg")).stat().st_size
    record(
        "chain/maps",
        cold_s=round(cold, 1),
        nothing_changed_s=round(nothing, 1),
        one_layer_changed_s=round(changed, 1),
        atlas_html_mb=round(atlas / 1e6, 2),
        atlas_gpkg_mb=round(package / 1e6, 2),
        goals={"cold_s": 60, "one_layer_changed_s": 10, "atlas_html_mb": 3},
    )


if __name__ == "__main__":
    main()
