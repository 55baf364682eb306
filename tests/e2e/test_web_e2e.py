"""The web atlas in real Chromium, opened from disk with every way out closed."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import shapely

from pipeline.contracts.provenance import PROJECT
from pipeline.contracts.text import LANGUAGES, Language, Text, format_number, t
from pipeline.s5_render.plan import AtlasPlan, ClassPlan, LayerPlan
from pipeline.s5_render.web import PX_PER_MM, atlas_html
from tests.e2e.conftest import AREAS, PATIENCE_MS

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Locator, Page

pytestmark = pytest.mark.e2e

KEEP_MAP = """
let leaflet;
Object.defineProperty(window, "L", {
  configurable: true,
  get: () => leaflet,
  set(value) {
    leaflet = value;
    value.Map.addInitHook(function () { window.testMap = this; });
  },
});
"""
"""Keeps Leaflet's map where the tests find it; the page itself leaves no global."""


@dataclass
class Watched:
    """A page with all it complained about and all it asked for."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)


@pytest.fixture(scope="session")
def atlas(plan: AtlasPlan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("elsewhere") / "atlas.html"
    path.write_text(atlas_html(plan), encoding="utf-8")
    return path


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Watched]]:
    """Return a function that opens a file offline; nothing may be asked for or complained of."""
    contexts: list[BrowserContext] = []
    visits: list[Watched] = []

    def open_file(path: Path, width: int = 1440, height: int = 900, **options: Any) -> Watched:
        context = browser.new_context(
            viewport={"width": width, "height": height}, offline=True, **options
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        watched = Watched(page)
        visits.append(watched)
        page.route(re.compile("^(?!file:|data:)"), lambda route: route.abort())
        page.on("request", lambda request: watched.asked.append(request.url))
        page.on("console", lambda message: watched.complaints.append(message.text))
        page.on("pageerror", lambda error: watched.complaints.append(str(error)))
        page.on("dialog", lambda dialog: watched.complaints.append(dialog.message))
        page.add_init_script(KEEP_MAP)
        page.goto(path.as_uri())
        page.wait_for_selector("body[data-ready]")
        return watched

    yield open_file
    for context in contexts:
        context.close()
    for watched in visits:
        assert watched.complaints == []
        assert [url for url in watched.asked if not url.startswith("data:")] == watched.asked[:1]


@pytest.fixture
def page(visit: Callable[..., Watched], atlas: Path) -> Page:
    return visit(atlas).page


def show_only(page: Page, *names: str) -> None:
    checked = page.locator("#layers input:checked")
    while checked.count():
        checked.first.click()
    for name in names:
        page.locator(f"#layer-{name}").check()


def colour_of(mark: Locator, layer: LayerPlan, item: ClassPlan) -> str:
    style = "backgroundColor"
    if layer.geometry == "outline":
        style = "borderTopColor"
    elif item is layer.hollow or item.is_hollow:
        style = "borderLeftColor"
    text = mark.evaluate(f"mark => getComputedStyle(mark).{style}")
    return "#" + "".join(f"{int(part):02x}" for part in re.findall(r"\d+", text)[:3])


def place_of(page: Page, plan: AtlasPlan, table: str, row: int) -> tuple[float, float]:
    """Return where a feature lies in the window."""
    point = shapely.point_on_surface(plan.tables[table].geometry.iloc[row])
    found = page.evaluate(
        "([x, y]) => { const at = testMap.latLngToContainerPoint([y, x]);"
        " const box = testMap.getContainer().getBoundingClientRect();"
        " return [at.x + box.x, at.y + box.y]; }",
        [point.x, point.y],
    )
    return found[0], found[1]


def look_at(page: Page, point: shapely.Point, zoom: int) -> None:
    page.evaluate(
        "([x, y, zoom]) => { testMap.setView([y, x], zoom, {animate: false}); }",
        [point.x, point.y, zoom],
    )


def wait_until_seen(page: Page, inside: list[float], outside: list[float] | None = None) -> None:
    """Wait until the map, after its glide, shows the one box whole and the other one not."""
    page.wait_for_function(
        """([inside, outside]) => {
          const sees = ([w, s, e, n]) => testMap.getBounds().contains([[s, w], [n, e]]);
          return sees(inside) && !(outside && sees(outside));
        }""",
        arg=[inside, outside],
    )


def row_of_most(plan: AtlasPlan, table: str, column: str) -> int:
    return int(plan.tables[table][column].astype("Float64").fillna(-1).to_numpy().argmax())


def legend(page: Page, name: str) -> Locator:
    return page.locator(f'#keys [data-layer="{name}"]')


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("area", AREAS)
def test_every_layer_toggles_and_its_legend_is_the_plans(
    visit: Callable[..., Watched],
    plan_of: Callable[[str], AtlasPlan],
    tmp_path: Path,
    area: str,
    language: Language,
) -> None:
    plan, path = plan_of(area), tmp_path / "atlas.html"
    path.write_text(atlas_html(plan), encoding="utf-8")
    page = visit(path).page
    if language != plan.language:
        page.click("#language")
    for layer in plan.layers:
        show_only(page, layer.id)
        assert page.locator("#keys section").count() == 1
        key = legend(page, layer.id)
        assert key.locator("h3").text_content() == layer.title[language]
        assert key.locator(".caption").text_content() == layer.caption[language]
        items = [*layer.classes, *([layer.hollow] if layer.hollow else [])]
        rows = key.locator(".classes li").all()
        assert [
            (
                row.get_attribute("data-class"),
                row.locator(".label").text_content(),
                row.locator(".count").text_content(),
                colour_of(row.locator(".swatch"), layer, item),
            )
            for row, item in zip(rows, items, strict=True)
        ] == [
            (
                item.key,
                item.label[language],
                t("legend.count", n=format_number(item.count, 0, language))[language],
                item.colour,
            )
            for item in items
        ]
        assert key.locator(".sizes .label").all_text_contents() == [
            size.label[language] for size in layer.sizes
        ]
        if layer.unit:
            assert layer.unit[language] in key.inner_text()
        page.locator(f"#layer-{layer.id}").uncheck()
        assert legend(page, layer.id).count() == 0


def test_panel_lists_groups_titles_and_notes(page: Page, plan: AtlasPlan) -> None:
    groups = page.locator("#layers fieldset")
    for group, shown in zip(plan.groups, groups.all(), strict=True):
        assert shown.locator("legend").text_content() == group.title[plan.language]
        layers = [plan.layer(name) for name in group.layers]
        assert shown.locator("label").all_text_contents() == [
            layer.title[plan.language] for layer in layers
        ]
        assert shown.locator(".note").all_text_contents() == [
            layer.note[plan.language] for layer in layers
        ]
    checked = page.locator("#layers input:checked").evaluate_all("all => all.map(box => box.id)")
    assert checked == [f"layer-{layer.id}" for layer in plan.layers if layer.is_visible]


def test_fills_are_drawn_in_their_class_colours(page: Page, plan: AtlasPlan) -> None:
    has_colour = """([x, y, colour]) => {
      const sheet = document.querySelector("#map_atlas .leaflet-overlay-pane canvas");
      const box = sheet.getBoundingClientRect();
      const scale = sheet.width / box.width;
      const pen = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
      pen.drawImage(sheet, (x - box.x) * scale, (y - box.y) * scale, 1, 1, 0, 0, 1, 1);
      const [r, g, b] = pen.getImageData(0, 0, 1, 1).data;
      return colour ===
        "#" + [r, g, b].map((part) => part.toString(16).padStart(2, "0")).join("");
    }"""
    fills = [layer for layer in plan.layers if layer.geometry == "choropleth"]
    assert fills
    for layer in fills:
        show_only(page, layer.id)
        for i, item in enumerate(layer.classes):
            row = int((layer.class_of == i).argmax())
            point = plan.tables[layer.table].geometry.iloc[row].representative_point()
            look_at(page, point, 13)
            place = place_of(page, plan, layer.table, row)
            page.wait_for_function(has_colour, arg=[*place, item.colour])


def test_neighbours_leave_no_slits(
    visit: Callable[..., Watched], toy_plan: AtlasPlan, tmp_path: Path
) -> None:
    """Units with a ragged border between them are drawn as one surface."""
    rng = np.random.default_rng(1)
    village = toy_plan.tables["village"]
    west, south, east, north = toy_plan.bounds
    y = np.linspace(south, north, 120)
    sides = np.linspace(west, east, len(village) + 1)
    lines = [np.column_stack([x + rng.uniform(-1, 1, len(y)) * 0.002, y]) for x in sides]
    strips = [
        shapely.Polygon(np.vstack([left, right[::-1]])) for left, right in itertools.pairwise(lines)
    ]
    tables = {**toy_plan.tables, "village": village.set_geometry(strips, crs=village.crs)}
    path = tmp_path / "atlas.html"
    path.write_text(atlas_html(replace(toy_plan, tables=tables)), encoding="utf-8")
    page = visit(path).page
    show_only(page, "firms")
    look_at(page, shapely.Point((west + east) / 2, (south + north) / 2), 11)
    page.wait_for_function(
        """([w, s, e, n]) => {
          const sheet = document.querySelector("#map_atlas .leaflet-overlay-pane canvas");
          const box = sheet.getBoundingClientRect();
          const frame = testMap.getContainer().getBoundingClientRect();
          const low = testMap.latLngToContainerPoint([s, w]);
          const high = testMap.latLngToContainerPoint([n, e]);
          const left = Math.max(low.x + 12, 0) + frame.x - box.x;
          const top = Math.max(high.y + 12, 0) + frame.y - box.y;
          const right = Math.min(high.x - 12, frame.width) + frame.x - box.x;
          const bottom = Math.min(low.y - 12, frame.height) + frame.y - box.y;
          const scale = sheet.width / box.width;
          const parts = [left, top, right - left, bottom - top].map((part) => part * scale);
          const [x, y, wide, high_px] = parts.map(Math.round);
          const pen = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
          pen.canvas.width = wide;
          pen.canvas.height = high_px;
          pen.drawImage(sheet, -x, -y);
          const data = pen.getImageData(0, 0, wide, high_px).data;
          const clear = data.filter((part, i) => i % 4 === 3 && part < 230).length;
          return data.length > 200000 && clear === 0;
        }""",
        arg=list(toy_plan.bounds),
    )


@pytest.mark.parametrize("area", AREAS)
def test_names_keep_clear_of_circles_and_name_them_in_the_first_view(
    visit: Callable[..., Watched], plan_of: Callable[[str], AtlasPlan], tmp_path: Path, area: str
) -> None:
    plan, path = plan_of(area), tmp_path / "atlas.html"
    path.write_text(atlas_html(plan), encoding="utf-8")
    page = visit(path).page
    written = page.evaluate(
        """() => {
          const found = [];
          const prototype = CanvasRenderingContext2D.prototype;
          const write = prototype.fillText;
          prototype.fillText = function (text, x, y) {
            found.push([text, x, y, this.measureText(text).width]);
            return write.call(this, text, x, y);
          };
          testMap.fire("moveend");
          prototype.fillText = write;
          return found;
        }"""
    )
    boxes = [(text, shapely.box(x, y - 5, x + width, y + 5)) for text, x, y, width in written]
    for layer in plan.layers:
        if layer.geometry != "symbols" or not layer.is_visible:
            continue
        table = plan.tables[layer.table]
        names = set(table[layer.title_field].dropna())
        assert names & {text for text, _ in boxes}
        places = page.evaluate(
            "all => all.map(([x, y]) => testMap.latLngToContainerPoint([y, x]))"
            ".map(({x, y}) => [x, y])",
            shapely.get_coordinates(table.geometry.to_numpy()).tolist(),
        )
        circles = shapely.buffer(shapely.points(places), layer.diameter_mm / 2 * PX_PER_MM)
        for text, box in boxes:
            assert not shapely.intersects(circles, box).any(), text


def test_one_fill_at_a_time_everything_else_free(page: Page, plan: AtlasPlan) -> None:
    fills = [layer.id for layer in plan.layers if layer.geometry == "choropleth"]
    others = [layer.id for layer in plan.layers if layer.geometry != "choropleth"]
    show_only(page, *others)
    for name in fills:
        page.locator(f"#layer-{name}").check()
        checked = page.locator("#layers input:checked").evaluate_all(
            "all => all.map(box => box.id.replace('layer-', ''))"
        )
        assert set(checked) == {*others, name}


def test_a_click_opens_the_card_with_every_field(page: Page, plan: AtlasPlan) -> None:
    row = row_of_most(plan, "village", "firms_count")
    show_only(page, "firms", "districts")
    page.mouse.click(*place_of(page, plan, "village", row))
    card = page.locator("#card")
    village = plan.tables["village"].iloc[row]
    assert card.locator("h2").text_content() == village["village_name"]
    layer = plan.layer("firms")
    shown = [
        item.name for item in layer.fields if item.role == "popup" and item.name != "source_ids"
    ]
    assert card.locator("dd").evaluate_all("all => all.map(dd => dd.dataset.field)") == shown
    labels = {item.name: item.label["id"] for item in layer.fields}
    assert card.locator("dt").all_text_contents() == [labels[name] for name in shown]
    firms = format_number(float(village["firms_count"]), 0, "id")
    assert card.locator('[data-field="firms_count"]').text_content() == f"{firms} unit usaha"
    status = t(f"status.{village['status']}")
    assert card.locator('[data-field="status"]').text_content() == status["id"]
    cited = [plan.sources[name.strip()] for name in village["source_ids"].split(";")]
    assert card.locator(".sources li").all_text_contents() == cited
    also = card.locator(".also button").all_text_contents()
    assert len(also) == 1
    assert also[0].startswith(village["district_name"])
    card.locator(".also button").click()
    assert card.locator("h2").text_content() == village["district_name"]
    card.locator(".close").click()
    assert card.is_hidden()


def test_missing_is_a_dash_and_symbols_come_before_fills(page: Page, plan: AtlasPlan) -> None:
    centre = plan.tables["centre"]
    row = int(centre["firms_count"].isna().to_numpy().argmax())
    assert centre["firms_count"].isna().iloc[row]
    show_only(page, "production_centres", "firms")
    point = centre.geometry.iloc[row]
    look_at(page, point, 15)
    place = place_of(page, plan, "centre", row)
    page.mouse.move(*place)
    page.wait_for_selector("#tip:not([hidden])")
    hollow = plan.layer("production_centres").hollow
    assert hollow is not None
    name = centre["centre_name"].iloc[row]
    assert page.locator("#tip").inner_text().split("\n") == [name, hollow.label["id"]]
    page.mouse.click(*place)
    assert page.locator("#card h2").text_content() == name
    assert page.locator('#card [data-field="firms_count"]').text_content() == "–"


def test_hover_names_the_feature_and_its_value(page: Page, plan: AtlasPlan) -> None:
    row = row_of_most(plan, "village", "workers_count")
    show_only(page, "employment")
    page.mouse.move(*place_of(page, plan, "village", row))
    page.wait_for_selector("#tip:not([hidden])")
    village = plan.tables["village"].iloc[row]
    workers = format_number(float(village["workers_count"]), 0, "id")
    assert page.locator("#tip").inner_text().split("\n") == [
        village["village_name"],
        f"{workers} orang",
    ]


def test_search_by_keyboard_zooms_and_opens(page: Page, plan: AtlasPlan) -> None:
    row = row_of_most(plan, "village", "firms_count")
    village = plan.tables["village"].iloc[row]
    page.click("#to-all")
    wait_until_seen(page, list(plan.bounds))
    before = page.evaluate("testMap.getZoom()")
    page.focus("#search")
    page.keyboard.type(village["village_name"].lower())
    options = page.locator("#results [role=option]")
    kinds = options.all_text_contents()
    wanted = next(i for i, text in enumerate(kinds) if "Desa/kelurahan" in text and "Kota" in text)
    for _ in range(wanted + 1):
        page.keyboard.press("ArrowDown")
    active = page.get_attribute("#search", "aria-activedescendant")
    assert active == f"result-{wanted}"
    assert page.get_attribute(f"#{active}", "aria-selected") == "true"
    assert re.search(r"\d", page.locator("#found").text_content() or "")
    page.keyboard.press("Enter")
    assert page.locator("#card h2").text_content() == village["village_name"]
    assert page.get_attribute("#search", "aria-expanded") == "false"
    wait_until_seen(page, list(village.geometry.bounds))
    page.wait_for_function("before => testMap.getZoom() > before", arg=before)
    page.keyboard.press("Escape")
    assert page.locator("#card").is_hidden()
    assert page.evaluate("document.activeElement.id") == "search"


def test_every_named_feature_can_be_found(page: Page, plan: AtlasPlan) -> None:
    for table in {layer.table: layer.title_field for layer in plan.layers}.items():
        name = plan.tables[table[0]][table[1]].dropna().iloc[-1]
        page.fill("#search", name.upper())
        assert name in page.locator("#results strong").all_text_contents()
    page.fill("#search", "tidak ada nama begini")
    assert page.locator("#found").text_content() == t("ui.no_match")["id"]
    assert page.locator("#results").is_hidden()


def test_language_switch_turns_everything(page: Page, plan: AtlasPlan) -> None:
    row = row_of_most(plan, "village", "workers_count")
    show_only(page, "employment")
    page.mouse.click(*place_of(page, plan, "village", row))
    workers = float(plan.tables["village"]["workers_count"].iloc[row])
    value = page.locator('#card [data-field="workers_count"]')
    for language, unit in (("id", "orang"), ("en", "persons"), ("id", "orang")):
        assert page.get_attribute("html", "lang") == language
        assert page.title() == plan.title[language]
        assert page.locator("h1").text_content() == plan.title[language]
        assert page.locator("footer").text_content() == plan.footer[language]
        assert page.locator("#legend-title").text_content() == t("ui.legend")[language]
        assert page.get_attribute("#search", "placeholder") == t("ui.search")[language]
        assert value.text_content() == f"{format_number(workers, 0, language)} {unit}"
        top = plan.layer("employment").classes[-2].label[language]
        assert top in legend(page, "employment").locator(".label").all_text_contents()
        page.click("#language")


def test_keyboard_alone_reaches_and_toggles(page: Page, plan: AtlasPlan) -> None:
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    reached = []
    ringed = "getComputedStyle(document.activeElement).outlineStyle !== 'none'"
    for _ in range(60):
        page.keyboard.press("Tab")
        name = page.evaluate("document.activeElement.id")
        if not name:
            break
        reached.append(name)
        assert page.evaluate(ringed), f"{name} shows no focus ring"
    wanted = {f"layer-{layer.id}" for layer in plan.layers} | {
        "search",
        "language",
        "map_atlas",
        "zoom-in",
        "zoom-out",
        "to-focus",
        "to-all",
    }
    assert wanted <= set(reached)
    first = plan.layers[0].id
    page.focus(f"#layer-{first}")
    for expected in (not plan.layers[0].is_visible, plan.layers[0].is_visible):
        page.keyboard.press("Space")
        assert page.locator(f"#layer-{first}").is_checked() == expected
        assert (legend(page, first).count() == 1) == expected


def test_views_show_the_main_area_and_the_whole(page: Page, plan: AtlasPlan) -> None:
    focus, bounds = list(plan.focus), list(plan.bounds)
    wait_until_seen(page, focus, bounds)
    page.click("#to-all")
    wait_until_seen(page, bounds)
    page.click("#to-focus")
    wait_until_seen(page, focus, bounds)
    assert re.search(r"\d+ k?m", page.locator(".leaflet-control-scale").inner_text())


def test_an_area_without_a_focus_has_one_view(
    visit: Callable[..., Watched], toy_plan: AtlasPlan, tmp_path: Path
) -> None:
    path = tmp_path / "atlas.html"
    path.write_text(atlas_html(replace(toy_plan, focus=toy_plan.bounds)), encoding="utf-8")
    page = visit(path).page
    assert page.locator(".views button").evaluate_all("all => all.map(one => one.id)") == ["to-all"]
    page.click("#zoom-in")
    page.click("#to-all")
    wait_until_seen(page, list(toy_plan.bounds))


def test_a_view_asked_for_in_the_middle_of_a_glide_is_not_lost(page: Page, plan: AtlasPlan) -> None:
    page.evaluate(
        """() => {
          let ends = 0;
          testMap.once("zoomanim", () => document.getElementById("to-focus").click());
          testMap.on("zoomend", () => { window.glides = ++ends; });
          document.getElementById("to-all").click();
        }"""
    )
    page.wait_for_function("() => window.glides === 2")
    wait_until_seen(page, list(plan.focus), list(plan.bounds))


@pytest.mark.parametrize("width", [360, 768])
def test_narrow_windows(
    visit: Callable[..., Watched], atlas: Path, plan: AtlasPlan, width: int
) -> None:
    page = visit(atlas, width, 740, has_touch=True).page
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    if width == 360:
        assert page.locator("#panel").is_hidden()
        page.click("#show-panel")
        assert page.get_attribute("#show-panel", "aria-expanded") == "true"
    assert page.locator("#panel").is_visible()
    name = plan.layers[1].id
    page.locator(f"#layer-{name}").check()
    if width == 360:
        page.click("#show-legend")
        assert page.locator("#panel").is_hidden()
    assert legend(page, name).is_visible()
    if width == 360:
        page.keyboard.press("Escape")
        assert page.locator("#legend").is_hidden()
    row = row_of_most(plan, "village", "firms_count")
    page.fill("#search", plan.tables["village"]["village_name"].iloc[row])
    page.keyboard.press("Enter")
    box = page.locator("#card").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_text_stands_out_from_its_ground(page: Page, plan: AtlasPlan) -> None:
    """WCAG AA: 4.5 to 1 for every text in sight."""
    show_only(page, *(layer.id for layer in plan.layers))
    page.mouse.click(*place_of(page, plan, "village", row_of_most(plan, "village", "firms_count")))
    assert page.locator("#card").is_visible()
    faint = page.evaluate(
        """() => {
          const pen = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
          const rgba = (css) => {
            pen.clearRect(0, 0, 1, 1);
            pen.fillStyle = css;
            pen.fillRect(0, 0, 1, 1);
            return [...pen.getImageData(0, 0, 1, 1).data];
          };
          const light = (rgb) => rgb.slice(0, 3)
            .map((part) => part / 255)
            .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
            .reduce((sum, part, i) => sum + part * [0.2126, 0.7152, 0.0722][i], 0);
          const ground = (element) => {
            for (let at = element; at; at = at.parentElement) {
              const colour = rgba(getComputedStyle(at).backgroundColor);
              if (colour[3] > 200) return colour;
            }
            return [255, 255, 255, 255];
          };
          return [...document.querySelectorAll("body *")]
            .filter((element) => [...element.childNodes].some(
              (part) => part.nodeType === 3 && part.textContent.trim()))
            .filter((element) => element.checkVisibility() && element.tagName !== "SCRIPT")
            .map((element) => {
              const pair = [light(rgba(getComputedStyle(element).color)), light(ground(element))];
              const ratio = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
              return [element.textContent.trim().slice(0, 40), ratio];
            })
            .filter(([, ratio]) => ratio < 4.5);
        }"""
    )
    assert faint == []


def test_calm_for_those_who_ask(visit: Callable[..., Watched], atlas: Path) -> None:
    calm = visit(atlas, reduced_motion="reduce").page
    assert calm.evaluate("testMap.options.zoomAnimation") is False
    assert visit(atlas).page.evaluate("testMap.options.zoomAnimation") is True


def test_prints_on_one_sheet(page: Page) -> None:
    page.evaluate(
        "addEventListener('beforeprint', () => {"
        "  const paper = document.querySelector('canvas.paper');"
        "  const data = paper.getContext('2d').getImageData(0, 0, paper.width, paper.height).data;"
        "  window.inked = data.filter((part, i) => i % 4 === 0 && part < 250).length"
        "    / (data.length / 4);"
        "})"
    )
    before = page.evaluate("testMap.getSize()")
    pdf = page.pdf(prefer_css_page_size=True)
    page.locator("canvas.paper").wait_for(state="detached")
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) == 1
    assert page.evaluate("inked") > 0.3
    assert page.evaluate("testMap.getSize()") == before


def test_hostile_names_are_only_text(
    visit: Callable[..., Watched], toy_plan: AtlasPlan, tmp_path: Path
) -> None:
    name = "</script><img src=x onerror=alert(1)>\u2028{{ 7*7 }}<b>"
    village = toy_plan.tables["village"].copy()
    village["village_name"] = name
    text = Text(id=name, en=name)
    hostile = replace(
        toy_plan,
        tables={**toy_plan.tables, "village": village},
        title=text,
        footer=text,
        layers=tuple(replace(layer, note=text, caption=text) for layer in toy_plan.layers),
        sources=dict.fromkeys(toy_plan.sources, name),
    )
    path = tmp_path / "hostile.html"
    path.write_text(atlas_html(hostile), encoding="utf-8")
    page = visit(path).page
    show_only(page, "firms", "villages")
    page.mouse.click(*place_of(page, hostile, "village", 0))
    assert page.locator("#card h2").text_content() == name
    assert page.locator("footer").text_content() == name
    page.fill("#search", "<b>")
    assert page.locator("#results strong").first.text_content() == name
    assert page.locator("img, b").count() == 0


def test_a_real_atlas_is_small(atlas: Path) -> None:
    assert atlas.stat().st_size < 1_500_000


def test_the_file_names_no_folder_of_this_machine(atlas: Path) -> None:
    text = atlas.read_text(encoding="utf-8")
    assert str(PROJECT) not in text
    assert str(atlas.parent) not in text
