"""The vocabulary of specialisations: consistent, documented, and read from people's words."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.contracts import specialisations as spec
from pipeline.contracts.errors import InputError
from pipeline.contracts.specialisations import recognise, vocabulary

IDS = sorted(vocabulary())


def test_document_has_not_drifted() -> None:
    written = spec.PATH.read_text(encoding="utf-8")
    assert written == spec.document(), "Run: python -m pipeline.contracts.specialisations"


def test_the_vocabulary_holds_what_registers_need() -> None:
    wanted = "pembatikan pembatikan_tulis pembatikan_cap pembatikan_kombinasi printing pewarnaan "
    wanted += "pelorodan konveksi canting canting_tulis canting_cap tenun tenun_atbm tenun_atm "
    wanted += "perdagangan bahan_baku finishing"
    assert set(wanted.split()) <= set(vocabulary())


@pytest.mark.parametrize("one", IDS)
def test_every_word_of_an_entry_means_it(one: str) -> None:
    entry = vocabulary()[one]
    for words in (one, *entry.label.both().values(), *entry.synonyms):
        found = recognise(words)
        assert found.ids == (one,), words
        assert found.techniques == entry.techniques
        assert recognise(f"  {words.upper()} . ").ids == (one,)


@pytest.mark.parametrize(
    ("words", "ids"),
    [
        ("batik cap & tulis", ("pembatikan_cap", "pembatikan_tulis")),
        ("tulis, cap", ("pembatikan_tulis", "pembatikan_cap")),
        ("Batik cap tulis", ("pembatikan_kombinasi",)),
        ("Pengrajin Batik Tulis dan Sablon", ("pembatikan_tulis", "printing")),
        ("Canting (tulis/cap)", ("canting_tulis", "canting_cap")),
        ("Pembuatan canting (cap)", ("canting_cap",)),
        ("Tenun ATBM/ATM", ("tenun_atbm", "tenun_atm")),
        ("Konveksi (jahit)", ("konveksi",)),
        ("batik, batik cap, dagang dll.", ("pembatikan_cap", "perdagangan")),
        ("pewarnaan - pelorodan", ("pewarnaan", "pelorodan")),
        ("Hand-drawn batik and dyeing", ("pembatikan_tulis", "pewarnaan")),
        ("Batik tulis\nKonveksi", ("pembatikan_tulis", "konveksi")),
    ],
)
def test_wordings(words: str, ids: tuple[str, ...]) -> None:
    found = recognise(words)
    assert found.ids == ids
    assert not found.unknown
    assert not found.guessed


def test_unknown_parts_are_told_and_the_rest_is_kept() -> None:
    found = recognise("Batik cap, bengkel las")
    assert (found.ids, found.unknown) == (("pembatikan_cap",), ("bengkel las",))


def test_one_typing_error_is_told_and_short_words_are_not_guessed() -> None:
    assert recognise("Konvekssi").guessed == (("Konvekssi", "konveksi"),)
    assert recognise("tulsi").unknown == ("tulsi",)
    # One letter from both "batik cap" and "batik tap"? Only one reading may be left.
    assert recognise("batik cat").ids == ("pembatikan_cap",)


def test_words_of_the_register_go_first() -> None:
    extra = {"Batik Sogan": "pembatikan_tulis", "sablon": "pembatikan_cap"}
    assert recognise("batik sogan; SABLON", extra).ids == ("pembatikan_tulis", "pembatikan_cap")
    assert recognise("sablon").ids == ("printing",)


@given(st.lists(st.sampled_from(IDS), max_size=6))
def test_rollup_and_narrowest_agree(ids: list[str]) -> None:
    kept = spec.narrowest(ids)
    assert set(spec.rollup(kept)) == set(spec.rollup(ids))
    assert not set(kept) & {wider for one in kept for wider in spec.ancestors(one)}
    assert spec.rollup(ids, to=IDS) == tuple(dict.fromkeys(ids))
    assert spec.split(spec.JOINER.join(kept)) == kept
    depths = [len(spec.ancestors(one)) for one in kept]
    assert depths == sorted(depths, reverse=True)


def test_an_id_not_in_the_vocabulary_is_refused() -> None:
    with pytest.raises(KeyError):
        spec.rollup(["welding"])


@given(st.text(max_size=60))
def test_any_text_is_read(words: str) -> None:
    found = recognise(words)
    assert set(found.ids) <= set(IDS)


ENTRY = {"id": "a", "label": {"id": "x", "en": "y"}}


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([ENTRY, ENTRY], "each id once"),
        ([ENTRY | {"parent": "b"}], "parent 'b' of 'a' before it"),
        ([ENTRY | {"technique": "etching"}], "techniques of 'a'"),
        ([ENTRY, {"id": "b", "label": {"id": "X", "en": "z"}}], "means 'a' or 'b'"),
    ],
)
def test_inconsistent_vocabularies(entries: list[dict[str, object]], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        spec.Vocabulary(entries=entries)


def test_an_inconsistent_file_is_an_input_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "specialisations.yaml"
    path.write_text("- {id: a, label: {id: x, en: y}, parent: b}\n")
    monkeypatch.setattr(spec, "FILE", path)
    with pytest.raises(InputError, match="before it"):
        spec.vocabulary.__wrapped__()
