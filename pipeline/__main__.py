"""Command line: ``python -m pipeline <command>``. Does what make does, where there is no make."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from pipeline.contracts.errors import AtlasError, Fault, InputError
from pipeline.contracts.provenance import DEMONSTRATION, PROJECT, Paths
from pipeline.contracts.text import LANGUAGES

COMMANDS = {
    "maps": "everything, from published tables to maps, figures, tables and report",
    "sources": "stage 1: read and check the published tables and boundaries",
    "geocode": "stage 2: place clusters and places in villages",
    "analyse": "stage 3: sums and measures",
    "release": "stage 4: the gate; what leaves the house",
    "render": "stage 5: every product from the release",
    "web": "only the web atlas",
    "qgis": "only the QGIS package",
    "figures": "only the figures",
    "tables": "only the tables",
    "report": "only the report",
    "check": "read a firm register and list every fault in it, nothing else",
    "template": "write an empty, documented register (xlsx) to fill in",
    "demonstration": "everything on an invented register, in a folder of its own",
    "synthesize": "only the invented demonstration register of an area",
    "boundaries": "fetch the pinned village boundaries into the cache",
    "seal": "write the hashes of an area's tables into its sources.csv",
    "areas": "list the study areas",
    "new-area": "scaffold the folder of a new study area from codes of regencies",
    "index": "one page that links the atlases made so far",
}
_PRODUCTS = ("web", "qgis", "figures", "tables", "report")


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    main_parser = argparse.ArgumentParser(
        prog="python -m pipeline",
        description="From published tables of a craft cluster to maps that can be defended.",
    )
    commands = main_parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in COMMANDS.items():
        sub = commands.add_parser(name, help=text, description=text)
        if name == "geocode":
            sub.add_argument(
                "files", nargs="*", type=Path, metavar="IN OUT",
                help="any table with addresses, and the file to write; without them stage 2 runs",
            )  # fmt: skip
            sub.add_argument("--column", default="raw_address", help="column of the addresses")
            sub.add_argument("--district-column", help="column of the kecamatan, if there is one")
            sub.add_argument("--regency-column", help="column of the regency, if there is one")
        if name == "template":
            sub.add_argument("out", type=Path, nargs="?", default=Path("register_template.xlsx"))
            sub.add_argument("--language", choices=LANGUAGES, default="id")
        sub.add_argument(
            "--register", metavar="FILE",
            help="firm register: xlsx, ods, csv, gpkg, geojson, shp; FILE#SHEET names a sheet",
        )  # fmt: skip
        sub.add_argument(
            "--online", action="store_true",
            help="ask a Nominatim server about firms that are still open (off by default)",
        )  # fmt: skip
        sub.add_argument("--nominatim", metavar="URL", help="another Nominatim server")
        if name == "new-area":
            sub.add_argument("--name", dest="area", default="", help="name of the new folder")
            sub.add_argument(
                "--codes", default="", help="codes of its regencies, several separated by commas"
            )
        else:
            sub.add_argument(
                "--area", default="pekalongan", help="study area (default: %(default)s)"
            )
        sub.add_argument(
            "--boundaries",
            metavar="FILE",
            help="village polygons: gpkg, geojson, shp or upstream sql; several separated by "
            "commas; file.gpkg#layer names a layer; 'approximate' asks for approximate cells",
        )
        sub.add_argument("--areas-folder", type=Path, default=PROJECT / "areas")
        sub.add_argument("--layers-folder", type=Path, default=PROJECT / "layers")
        sub.add_argument("--outputs-folder", type=Path, default=PROJECT / "outputs")
        if name == "boundaries":
            sub.add_argument("--timeout", type=float, default=30.0, help="seconds a connection")
            sub.add_argument(
                "--try", dest="is_try", action="store_true", help="do not fail without a network"
            )
    return main_parser


class Runner:
    """Runs commands and tells what it does, with the time each step took."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.area: str = arguments.area
        self.boundaries: str | None = arguments.boundaries or None
        self.register = Path(arguments.register) if arguments.register else None
        self.paths = Paths(
            arguments.areas_folder, arguments.layers_folder, arguments.outputs_folder
        )
        self.arguments = arguments

    def step(self, name: str, work: Callable[[], bool]) -> None:
        """Run one stage and say whether it ran."""
        start = time.perf_counter()
        ran = work()
        took = time.perf_counter() - start
        print(f"{name:<9} {'done' if ran else 'up to date':<10} {took:5.1f} s", flush=True)

    def sources(self) -> None:
        """Run stage 1 and print the contradictions between the sources."""
        from pipeline.contracts.provenance import read_manifest, read_table
        from pipeline.s1_sources.run import run

        self.step(
            "sources",
            lambda: run(self.paths, self.area, self.boundaries, self.register, say=print),
        )
        for note in read_manifest(self.paths, self.area, "sources")["notes"]:
            print(f"  {note}")
        found = read_table(self.paths, self.area, "sources", "contradictions")
        if len(found):
            print(f"  {len(found)} contradictions in the sources, kept as they are:")
        for row in found.to_dict("records"):
            print(
                f"   {row['contradiction_id']:>3}. {row['subject']}: {row['claim_a']} / "
                f"{row['claim_b']}"
            )

    def geocode(self) -> None:
        """Run stage 2, or geocode the addresses of any table."""
        from pipeline.s2_geocode.online import Settings
        from pipeline.s2_geocode.run import geocode_table, run
        from pipeline.s2_geocode.table import progress

        files = getattr(self.arguments, "files", None)
        if not files:
            ask = None
            if self.arguments.online:
                url = self.arguments.nominatim
                ask = Settings(url=url) if url else Settings()
            self.step("geocode", lambda: run(self.paths, self.area, self.known_register(), ask))
            return
        if len(files) != 2:
            raise InputError(Fault("geocode", "two files, IN and OUT", f"{len(files)}"))
        in_path, out_path = files
        done = geocode_table(
            self.paths,
            self.area,
            in_path,
            out_path,
            self.arguments.column,
            self.arguments.district_column,
            self.arguments.regency_column,
            say=progress(sys.stderr),
        )
        counts = ", ".join(f"{count:,} {name}" for name, count in done.by_precision.items())
        print(f"{done.rows:,} rows in and out ({counts}), {done.seconds:.1f} s: {out_path}")
        for old, new in done.renamed.items():
            print(f"  column {old!r} of the input is now {new!r}")

    def known_register(self) -> Path | None:
        """Return the register stage 1 is to read or has invented."""
        if self.paths.edition == DEMONSTRATION:
            from pipeline.s1_sources.run import demonstration_register

            return demonstration_register(self.paths, self.area)
        return self.register

    def check(self) -> None:
        """List every fault of a register; exit code 2 if one of them is an error."""
        from pipeline.contracts.area import load_area
        from pipeline.contracts.provenance import write_text
        from pipeline.s1_sources.register.problems import problems_csv
        from pipeline.s1_sources.register.read import check_register
        from pipeline.s1_sources.run import PROBLEMS_FILE

        if self.register is None:
            raise InputError(Fault("check", "a register: --register FILE", "none"))
        area = load_area(self.paths.areas, self.area)
        lines, problems, has_errors = check_register(self.register, assumed_crs=area.crs)
        path = self.paths.product(self.area) / PROBLEMS_FILE
        write_text(path, problems_csv(problems))
        print("\n".join([*lines, f"written to {path}"]))
        if has_errors:
            raise SystemExit(2)

    def template(self) -> None:
        """Write the empty register."""
        from pipeline.contracts.provenance import write_bytes
        from pipeline.s1_sources.register.template import template_bytes

        out: Path = self.arguments.out
        if out.exists():
            raise InputError(Fault(str(out), "a file that does not exist yet", "a file"))
        write_bytes(out, template_bytes(self.arguments.language))
        print(f"written to {out}")

    def synthesize(self) -> None:
        """Run stage 1 of the demonstration: invent the register and read it."""
        self.paths = replace(self.paths, edition=DEMONSTRATION)
        self.sources()

    def analyse(self) -> None:
        """Run stage 3."""
        from pipeline.s3_analyse.run import run

        self.step("analyse", lambda: run(self.paths, self.area))

    def release(self) -> None:
        """Run stage 4."""
        from pipeline.s4_release.run import run

        self.step("release", lambda: run(self.paths, self.area))

    def render(self, only: Sequence[str] = _PRODUCTS) -> None:
        """Run stage 5 for the products in `only`."""
        from pipeline.s5_render.run import run

        start = time.perf_counter()

        def say(name: str) -> None:
            print(f"  drawing {name}", flush=True)

        made = run(self.paths, self.area, only=only, say=say)
        took = time.perf_counter() - start
        state = f"{len(made)} made" if made else "up to date"
        print(f"{'render':<9} {state:<10} {took:5.1f} s", flush=True)

    def maps(self) -> None:
        """Run everything and sum up."""
        from pipeline.contracts.layer import load_layers

        load_layers(self.paths.layers)  # a fault in a layer file shows before the first stage
        if self.boundaries is None:
            self.try_boundaries_once()
        with self.beside() as other:
            self.run_all()
            if other:
                print("demonstration, from an invented register:", flush=True)
                told, _ = other.communicate()
                print(told, end="", flush=True)
                if other.returncode:
                    raise SystemExit(other.returncode)
        from pipeline.s5_render.index import write_index
        from pipeline.s5_render.run import summary

        write_index(self.paths)
        print("\n".join(summary(self.paths, self.area)))

    @contextmanager
    def beside(self) -> Iterator[subprocess.Popen[str] | None]:
        """Make the demonstration meanwhile, if there is one and no register of the user's."""
        from pipeline.contracts.demonstration import FILE

        if self.register or not (self.paths.areas / self.area / FILE).is_file():
            yield None
            return
        folders = self.paths.areas, self.paths.layers, self.paths.outputs
        options = ["--area", self.area]
        for name, folder in zip(("areas", "layers", "outputs"), folders, strict=True):
            options += [f"--{name}-folder", str(folder)]
        if self.boundaries:
            options += ["--boundaries", self.boundaries]
        other = subprocess.Popen(
            [sys.executable, "-m", "pipeline", "demonstration", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            yield other
        finally:
            if other.poll() is None:
                other.terminate()
                other.wait()

    def demonstration(self) -> None:
        """Run everything on the invented register of the area."""
        self.paths = replace(self.paths, edition=DEMONSTRATION)
        self.run_all()

    def run_all(self) -> None:
        """Run the five stages."""
        self.sources()
        self.geocode()
        self.analyse()
        self.release()
        self.render()

    def try_boundaries_once(self) -> None:
        """Fetch boundaries if that was not tried before for this area."""
        tried = self.paths.product(self.area) / ".boundaries-tried"
        if not tried.exists():
            self.fetch(timeout=5.0, is_try=True)

    def fetch(self, timeout: float, is_try: bool) -> None:
        """Fetch the pinned boundaries; remember that it was tried."""
        from pipeline.contracts.area import load_area
        from pipeline.contracts.provenance import write_text
        from pipeline.contracts.reading import read_csv
        from pipeline.s1_sources.fetch import NetworkError, cache_folder, fetch

        area = load_area(self.paths.areas, self.area)
        sources = read_csv(self.paths.areas / self.area / "sources.csv", "sources")
        try:
            files = fetch(area, sources, cache_folder(), timeout)
            print(f"boundaries {', '.join(path.name for path in files) or 'none are named'}")
        except NetworkError as error:
            if not is_try:
                raise
            print(f"boundaries not fetched: {error}")
        write_text(self.paths.product(self.area) / ".boundaries-tried", "tried\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code (2 for bad input, with one message)."""
    arguments = parser().parse_args(argv)
    command: str = arguments.command
    runner = Runner(arguments)
    try:
        if command in _PRODUCTS:
            runner.render([command])
        elif command == "boundaries":
            runner.fetch(arguments.timeout, arguments.is_try)
        elif command == "areas":
            from pipeline.contracts.area import list_areas

            print("\n".join(list_areas(runner.paths.areas)))
        elif command == "new-area":
            from pipeline.s1_sources.new_area import new_area

            told = new_area(runner.paths.areas, runner.area, arguments.codes, runner.boundaries)
            print("\n".join(told))
        elif command == "index":
            from pipeline.s5_render.index import write_index

            print("index.html links " + ", ".join(write_index(runner.paths)))
        elif command == "seal":
            from pipeline.contracts.area import load_area
            from pipeline.s1_sources.seal import seal

            area = load_area(runner.paths.areas, runner.area)
            changed = seal(runner.paths.areas / runner.area, area)
            print("\n".join(changed) or "nothing changed")
        else:
            getattr(runner, command)()
    except AtlasError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("stopped; the last good outputs are untouched", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
