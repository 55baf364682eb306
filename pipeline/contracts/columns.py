"""The columns of the project: each name once, with its meaning, unit and labels.

The data dictionary, map labels, QGIS aliases and table headers are made from this list. Column
names carry units (``workers_count``, ``area_km2``); booleans start with ``is_`` or ``has_``;
identifiers end in ``_code`` or ``_id``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pipeline.contracts.text import Text

Kind = Literal["text", "whole", "real", "flag", "geometry"]

_UNITS = {
    "villages": Text(id="desa/kelurahan", en="villages"),
    "km²": Text(id="km²", en="km²"),
    "°": Text(id="°", en="°"),
    "m": Text(id="m", en="m"),
    "%": Text(id="%", en="%"),
    "year": None,
    "": None,
    "firms": Text(id="unit usaha", en="firms"),
    "persons": Text(id="orang", en="persons"),
    "ties": Text(id="hubungan", en="ties"),
    "partners": Text(id="mitra", en="partners"),
    "clusters": Text(id="klaster", en="clusters"),
    "persons per firm": Text(id="orang per unit usaha", en="persons per firm"),
    "firms per km²": Text(id="unit usaha per km²", en="firms per km²"),
    "persons per km²": Text(id="orang per km²", en="persons per km²"),
    "pieces per year": Text(id="potong per tahun", en="pieces per year"),
    "m per year": Text(id="m per tahun", en="m per year"),
}


@dataclass(frozen=True)
class Column:
    """One column: what it is called, what it means, in which unit, and how people read it."""

    name: str
    kind: Kind
    label: Text
    meaning: str
    unit: str = ""
    decimals: int = 0

    @property
    def unit_text(self) -> Text | None:
        """Return the unit in both languages; None for counts of nothing, codes and years."""
        return _UNITS[self.unit]


def _column(
    name: str, kind: Kind, id_: str, en: str, meaning: str, unit: str = "", decimals: int = 0
) -> tuple[str, Column]:
    return name, Column(name, kind, Text(id=id_, en=en), meaning, unit, decimals)


COLUMNS: dict[str, Column] = dict(
    [
        # Administrative units
        _column("village_code", "text", "Kode desa/kelurahan", "Village code",
                "Kemendagri code of the village, such as 33.75.01.1002."),
        _column("village_name", "text", "Desa/kelurahan", "Village",
                "Present official name of the village (desa or kelurahan)."),
        _column("village_kind", "text", "Jenis", "Kind of village",
                "desa or kelurahan, read from the code."),
        _column("district_code", "text", "Kode kecamatan", "District code",
                "Kemendagri code of the district (kecamatan), such as 33.75.01."),
        _column("district_name", "text", "Kecamatan", "District (kecamatan)",
                "Name of the kecamatan; in a published table, as the source prints it."),
        _column("regency_code", "text", "Kode kabupaten/kota", "Regency code",
                "Kemendagri code of the regency or city, such as 33.75."),
        _column("regency_name", "text", "Kabupaten/kota", "Regency or city",
                "Name of the regency (kabupaten) or city (kota)."),
        _column("villages_count", "whole", "Jumlah desa/kelurahan", "Villages",
                "Number of villages in the unit.", "villages"),
        _column("area_km2", "real", "Luas", "Area",
                "Area of the unit, from the gazetteer.", "km²", 2),
        _column("longitude_deg", "real", "Bujur", "Longitude",
                "Longitude, WGS 84 (EPSG:4326).", "°", 5),
        _column("latitude_deg", "real", "Lintang", "Latitude",
                "Latitude, WGS 84 (EPSG:4326).", "°", 5),
        _column("boundary_kind", "text", "Jenis batas", "Kind of boundary",
                "published (polygons of a named source) or approximate (cells drawn from "
                "centroids and areas)."),
        _column("geometry", "geometry", "Geometri", "Geometry",
                "Geometry, EPSG:4326 in stage files."),
        _column("village_code_a", "text", "Kode desa A", "Village code A",
                "Code of the first village of a neighbour pair (smaller code)."),
        _column("village_code_b", "text", "Kode desa B", "Village code B",
                "Code of the second village of a neighbour pair."),
        _column("shared_border_m", "real", "Panjang batas bersama", "Shared border",
                "Length of the border the two villages share.", "m", 1),
        _column("old_name", "text", "Nama lama", "Former name",
                "Name of a former village."),
        _column("valid_until", "whole", "Berlaku sampai", "Valid until",
                "Last year in which the former village existed.", "year"),
        _column("overlap_share", "real", "Bagian luas", "Overlap share",
                "Share of the former village's area inside the present one, 0 to 1.", "", 2),
        _column("confidence", "text", "Keyakinan", "Confidence",
                "certain, high or probable: how sure the link to the present village is."),
        _column("alias", "text", "Nama lain", "Alias",
                "Another name or spelling of a place."),
        _column("level", "text", "Tingkat", "Level",
                "Kind of place an alias stands for, or level of an actor."),
        _column("code", "text", "Kode", "Code", "Kemendagri code an alias stands for."),
        # Provenance
        _column("status", "text", "Status angka", "Status of the figure",
                "published, register, computed or synthetic."),
        _column("source_ids", "text", "Sumber", "Source",
                "Identifiers in sources.csv, separated by '; '."),
        _column("source_id", "text", "Kode sumber", "Source id",
                "Identifier of a source."),
        _column("source", "text", "Sumber", "Source", "Source in words."),
        _column("kind", "text", "Jenis", "Kind",
                "Kind of source: publication, table or boundary."),
        _column("file", "text", "Berkas", "File", "File, relative to the area folder."),
        _column("producer", "text", "Produsen", "Producer", "Who made the source."),
        _column("citation", "text", "Sitasi", "Citation", "Full citation of the source."),
        _column("licence", "text", "Lisensi", "Licence", "Licence of the source."),
        _column("sha256", "text", "SHA-256", "SHA-256", "SHA-256 of the file's bytes."),
        _column("year", "whole", "Tahun", "Year", "Year the figure is about.", "year"),
        _column("period", "text", "Periode", "Period",
                "Year or years the figure is about, as the source says."),
        _column("note", "text", "Catatan", "Note", "What a reader must know of the row."),
        # Clusters and totals
        _column("cluster_id", "text", "Kode klaster", "Cluster id",
                "Identifier of a published cluster (sentra)."),
        _column("cluster_name", "text", "Klaster", "Cluster",
                "Name of the cluster (sentra) as published."),
        _column("place_name", "text", "Tempat menurut sumber", "Place as published",
                "Place name as the source gives it, perhaps a former village."),
        _column("technique", "text", "Teknik", "Technique",
                "Batik technique: tulis, cap, gedog, printing; empty where not published."),
        _column("firms_count", "whole", "Unit usaha", "Firms",
                "Number of firms (production units).", "firms"),
        _column("workers_count", "whole", "Tenaga kerja", "Workers",
                "Number of workers.", "persons"),
        _column("clusters_count", "whole", "Jumlah klaster", "Clusters",
                "Number of published clusters in the unit.", "clusters"),
        _column("workers_per_firm", "real", "Tenaga kerja per unit usaha", "Workers per firm",
                "Workers divided by firms.", "persons per firm", 1),
        _column("firms_share_pct", "real", "Bagian unit usaha", "Share of firms",
                "Firms as a share of all placed and unplaced firms of the regency or city.",
                "%", 1),
        _column("workers_share_pct", "real", "Bagian tenaga kerja", "Share of workers",
                "Workers as a share of all workers of the regency or city.", "%", 1),
        _column("firms_per_km2", "real", "Kepadatan unit usaha", "Firms per km²",
                "Firms divided by area.", "firms per km²", 1),
        _column("workers_per_km2", "real", "Kepadatan tenaga kerja", "Workers per km²",
                "Workers divided by area.", "persons per km²", 1),
        # Geocoding
        _column("precision", "text", "Ketelitian lokasi", "Precision of the location",
                "gps, street, village, district or none."),
        _column("method", "text", "Cara pencocokan", "Matching method",
                "How the place name was matched to a unit."),
        _column("score", "real", "Skor", "Score", "Strength of the match, 0 to 1.", "", 2),
        _column("evidence", "text", "Bukti", "Evidence", "What spoke for the match."),
        _column("candidates", "text", "Calon", "Candidates",
                "Codes the name may stand for, best first, separated by ';'."),
        _column("is_offset", "flag", "Digeser untuk gambar", "Offset for drawing",
                "The point was moved so that symbols do not cover each other; drawing only."),
        # Places, facts, actors
        _column("place_id", "text", "Kode tempat", "Place id", "Identifier of a named place."),
        _column("name", "text", "Nama", "Name", "Name of the place as readers know it."),
        _column("centre_id", "text", "Kode sentra", "Centre id",
                "Identifier of a production centre (cluster or named place)."),
        _column("centre_name", "text", "Sentra", "Production centre",
                "Name of the production centre."),
        _column("activity", "text", "Kegiatan", "Activity",
                "What the place is: batik, konveksi, canting, weaving, market, "
                "wastewater_plant, landmark, support or supply."),
        _column("count", "real", "Jumlah", "Count", "Published number that goes with the row."),
        _column("count_unit", "text", "Satuan", "Unit of the count",
                "What the count counts."),
        _column("fact_id", "text", "Kode fakta", "Fact id", "Identifier of a published figure."),
        _column("topic", "text", "Topik", "Topic", "Topic of a published figure."),
        _column("metric", "text", "Ukuran", "Metric", "What the figure measures."),
        _column("category", "text", "Kategori", "Category",
                "Class of the figure within its metric."),
        _column("value", "real", "Nilai", "Value", "The figure.", "", 2),
        _column("unit", "text", "Satuan", "Unit", "Unit of the figure."),
        _column("group", "text", "Kelompok", "Group", "Group of actors or of respondents."),
        _column("actor", "text", "Aktor", "Actor", "Actor of the cluster's network."),
        _column("role", "text", "Peran", "Role", "Role of the actor."),
        _column("role_scope", "text", "Lingkup peran", "Scope of the role",
                "group: the source gives roles to the group, not to the single actor."),
        _column("list_order", "whole", "Urutan", "Order as listed",
                "Position in the source's list; the source prints no score."),
        _column("leading_in", "text", "Unggul dalam", "Leading in",
                "Measures the source says the actor leads in."),
        _column("is_score_published", "flag", "Skor diterbitkan", "Score published",
                "Whether the source prints the score."),
        _column("specialisation", "text", "Spesialisasi", "Specialisation",
                "Specialisation within the batik chain."),
        _column("spatial_pattern", "text", "Pola ruang", "Spatial pattern",
                "Spatial pattern the source reports."),
        _column("reasons_named", "text", "Alasan", "Reasons named",
                "Reasons the source names for the pattern."),
        _column("partnership", "text", "Kemitraan", "Partnership",
                "Partnership the source reports."),
        # Firms of a register
        _column("row_number", "whole", "Baris", "Row",
                "Row of the register's sheet, 1 for the first."),
        _column("firm_name", "text", "Nama usaha", "Firm", "Name of the firm."),
        _column("raw_address", "text", "Alamat", "Address", "Address as the register has it."),
        _column("village_stated", "text", "Desa/kelurahan menurut register", "Village as stated",
                "Village in the register's own column."),
        _column("district_stated", "text", "Kecamatan menurut register", "District as stated",
                "Kecamatan in the register's own column."),
        _column("regency_stated", "text", "Kabupaten/kota menurut register", "Regency as stated",
                "Regency or city in the register's own column."),
        _column("workers_male_count", "whole", "Tenaga kerja laki-laki", "Male workers",
                "Number of male workers.", "persons"),
        _column("workers_female_count", "whole", "Tenaga kerja perempuan", "Female workers",
                "Number of female workers.", "persons"),
        _column("production_amount", "real", "Produksi", "Production",
                "Production as stated, in its own unit and period.", "", 1),
        _column("production_unit", "text", "Satuan produksi", "Unit of production",
                "kodi, potong (piece), lembar (sheet) or meter."),
        _column("production_period", "text", "Periode produksi", "Period of production",
                "day, week, month or year."),
        _column("production_pieces_year", "real", "Produksi per tahun", "Production per year",
                "Production in pieces a year (a kodi is 20 pieces); empty where stated in metres.",
                "pieces per year", 0),
        _column("production_m_year", "real", "Produksi kain per tahun", "Cloth per year",
                "Production in metres a year; empty where stated in pieces.", "m per year", 0),
        _column("principal", "text", "Juragan/mitra", "Principal",
                "Firm this one works for as a subcontractor, as stated."),
        _column("has_point_consent", "flag", "Izin titik", "Consent to a point",
                "Whether the firm agreed that its point is published."),
        _column("same_phone_as", "text", "Telepon sama dengan", "Same phone as",
                "Earlier firm with the same phone number; the number itself is never stored."),
        _column("conflict", "text", "Pertentangan", "Conflict",
                "Where coordinates and address, or two statements, do not agree."),
        _column("duplicate_of", "text", "Diduga ganda dengan", "Probable duplicate of",
                "Earlier firm that is probably the same one."),
        _column("duplicate_reason", "text", "Alasan dugaan ganda", "Reason of the suspicion",
                "Why the two may be one firm."),
        _column("firms_without_workers_count", "whole", "Usaha tanpa angka tenaga kerja",
                "Firms without a number of workers",
                "Firms that do not state their workers; they are not in the sum of workers.",
                "firms"),
        _column("is_decided", "flag", "Diputuskan", "Decided by a person",
                "Whether a person's decision placed the firm."),
        _column("reason", "text", "Alasan", "Reason", "Why the row was left out."),
        # Cross tables, score scales, linkages
        _column("table_id", "text", "Tabel", "Table", "Table of the source the row is from."),
        _column("variable", "text", "Peubah", "Variable", "Variable of the row."),
        _column("share_pct", "real", "Persen", "Per cent", "Share as printed.", "%", 2),
        _column("mean", "real", "Rata-rata", "Mean", "Mean as printed.", "", 2),
        _column("measure", "text", "Ukuran", "Measure", "count, share_pct or mean."),
        _column("printed", "real", "Tercetak", "Printed", "The number as printed.", "", 2),
        _column("recomputed", "real", "Dihitung ulang", "Recomputed",
                "The number recomputed from the table's own cells.", "", 2),
        _column("difference", "real", "Selisih", "Difference", "Printed less recomputed.", "", 2),
        _column("is_agreeing", "flag", "Sesuai", "Agrees",
                "Whether printed and recomputed agree to the decimals printed."),
        _column("scale_id", "text", "Kode skala", "Scale id", "Identifier of a rating scale."),
        _column("items_count", "whole", "Jumlah butir", "Items", "Items that are summed."),
        _column("score_min", "whole", "Skor terendah", "Lowest score", "Lowest score of an item."),
        _column("score_max", "whole", "Skor tertinggi", "Highest score",
                "Highest score of an item."),
        _column("classes_count", "whole", "Jumlah kelas", "Classes", "Number of score classes."),
        _column("class_names", "text", "Nama kelas", "Class names",
                "Names of the classes from low to high, separated by '; '."),
        _column("printed_limits", "text", "Batas tercetak", "Printed limits",
                "Inner class limits as printed, separated by '; '."),
        _column("class_rank", "whole", "Kelas", "Class", "Rank of the class, 1 for the lowest."),
        _column("class_name", "text", "Nama kelas", "Class name", "Name of the class."),
        _column("lower_score", "real", "Batas bawah", "Lower limit",
                "Lower limit of the class, rebuilt by equal intervals.", "", 2),
        _column("upper_score", "real", "Batas atas", "Upper limit",
                "Upper limit of the class, rebuilt by equal intervals.", "", 2),
        _column("printed_upper", "real", "Batas atas tercetak", "Printed upper limit",
                "Upper limit of the class as printed.", "", 2),
        _column("respondent_id", "text", "Kode responden", "Respondent id",
                "Identifier of a respondent, without personal data."),
        _column("item_id", "text", "Butir", "Item", "Identifier of an item of a scale."),
        _column("respondents_count", "whole", "Responden", "Respondents",
                "Number of respondents.", "persons"),
        _column("horizontal_presence", "text", "Keterkaitan horizontal", "Horizontal linkage",
                "Whether the source reports a horizontal linkage, in its words."),
        _column("horizontal_level", "text", "Tingkat horizontal", "Level, horizontal",
                "Level of the horizontal linkage, in the source's words."),
        _column("vertical_presence", "text", "Keterkaitan vertikal", "Vertical linkage",
                "Whether the source reports a vertical linkage, in its words."),
        _column("vertical_dependency_on", "text", "Bergantung pada", "Depends on",
                "Whom the firms depend on, in the source's words."),
        _column("presence", "text", "Keterkaitan", "Linkage",
                "Whether the source reports the linkage, in its words."),
        _column("firm_id", "text", "Kode usaha", "Firm id", "Identifier of a firm."),
        _column("partner", "text", "Mitra", "Partner", "The firm or actor the tie goes to."),
        _column("direction", "text", "Arah", "Direction", "horizontal or vertical."),
        _column("ties_count", "whole", "Jumlah hubungan", "Ties", "Number of ties.", "ties"),
        _column("partners_count", "whole", "Jumlah mitra", "Partners",
                "Number of distinct partners.", "partners"),
        _column("sample_id", "text", "Kode sampel", "Sample id", "Identifier of a sample cell."),
        _column("text_id", "text", "Keterangan", "Text in Indonesian", "Text in Indonesian."),
        _column("text_en", "text", "Keterangan (Inggris)", "Text in English", "Text in English."),
        _column("contradiction_id", "whole", "Nomor", "Number", "Number of the contradiction."),
        _column("subject", "text", "Perihal", "Subject", "What the contradiction is about."),
        _column("claim_a", "text", "Pernyataan A", "Claim A", "What one place says."),
        _column("claim_b", "text", "Pernyataan B", "Claim B", "What another place says."),
        _column("comment", "text", "Keterangan", "Comment", "What is known about it."),
    ]
)  # fmt: skip


def column(name: str) -> Column:
    """Return the column called `name`.

    Raises
    ------
    KeyError
        No such column: add it here first, with its meaning, unit and labels.

    Examples
    --------
    >>> column("workers_count").label.id
    'Tenaga kerja'
    """
    return COLUMNS[name]
