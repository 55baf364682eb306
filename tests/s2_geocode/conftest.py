from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from pipeline.s2_geocode.gazetteer import Gazetteer

DATA = Path(__file__).parent / "data"
ALIASES = Path(__file__).parents[2] / "areas" / "pekalongan" / "aliases.csv"


def read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype=str, keep_default_na=False)


@pytest.fixture(scope="session")
def tables() -> dict[str, pd.DataFrame]:
    return {
        "village": read(DATA / "gazetteer.csv"),
        "old_name": read(DATA / "old_names.csv"),
        "alias": read(ALIASES),
    }


@pytest.fixture(scope="session")
def gazetteer(tables: dict[str, pd.DataFrame]) -> Gazetteer:
    return Gazetteer.from_tables(**tables)


@pytest.fixture(scope="session")
def real() -> pd.DataFrame:
    return read(DATA / "real_addresses.csv")
