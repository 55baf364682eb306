"use strict";

/* Draws the block "atlas-data" with Leaflet. Names come from registers: they reach the page as
   textContent or canvas text, never as markup. */
function startAtlas(map) {
  const data = JSON.parse(document.getElementById("atlas-data").textContent);
  const layers = new Map(data.layers.map((layer) => [layer.id, layer]));
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const byId = (id) => document.getElementById(id);
  let language = data.language;

  // ---------------------------------------------------------------- words and numbers

  function words(key, values = {}) {
    return data.ui[key][language].replace(/\{(\w+)\}/g, (_, name) => values[name]);
  }

  function number(value, decimals) {
    const [whole, part] = Math.abs(value).toFixed(decimals).split(".");
    const [comma, point] = language === "id" ? [".", ","] : [",", "."];
    const grouped = whole.replace(/\B(?=(\d{3})+$)/g, comma);
    const sign = value < 0 && Number(value.toFixed(decimals)) !== 0 ? "\u2212" : "";
    return sign + grouped + (part ? point + part : "");
  }

  function cell(table, name, row, withUnit = true) {
    const field = data.fields[name];
    const value = data.tables[table].columns[name][row];
    if (value === null) return "\u2013";
    if (field.kind !== "whole" && field.kind !== "real") {
      return field.values[value] ? field.values[value][language] : value;
    }
    const text = number(value, field.decimals);
    return withUnit && field.unit ? `${text} ${field.unit[language]}` : text;
  }

  function nameOf(layer, row) {
    return cell(layer.table, layer.name, row);
  }

  function classOf(layer, row) {
    return layer.classes[layer.class_of[row]] || null;
  }

  function hasValue(layer, row) {
    return !layer.value || data.tables[layer.table].columns[layer.value][row] !== null;
  }

  // ---------------------------------------------------------------- small DOM helpers

  function node(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name === "class") made.className = value;
      else if (value !== false && value !== null) made.setAttribute(name, value);
    }
    made.append(...children.filter((child) => child !== null));
    return made;
  }

  const spoken = []; // functions that write a text again when the language changes

  function say(target, text) {
    const write = () => { target.textContent = text(); };
    spoken.push(write);
    write();
    return target;
  }

  function swatch(layer, item) {
    const hollow = item === layer.hollow || item.is_hollow;
    const mark = node("span", { class: `swatch ${layer.geometry}${hollow ? " hollow" : ""}` });
    mark.setAttribute("aria-hidden", "true");
    if (layer.geometry === "outline") {
      mark.style.borderTopColor = item.colour;
      mark.style.borderTopWidth = `${Math.max(1, layer.line_px)}px`;
    } else if (hollow) {
      mark.style.borderColor = item.colour;
    } else {
      mark.style.backgroundColor = item.colour;
    }
    return mark;
  }

  // ---------------------------------------------------------------- geometry

  const SCALE = 1e5;

  function decodeRing(steps) {
    const ring = [];
    let x = 0;
    let y = 0;
    for (let i = 0; i < steps.length; i += 2) {
      x += steps[i];
      y += steps[i + 1];
      ring.push(L.latLng(y / SCALE, x / SCALE));
    }
    return ring;
  }

  for (const table of Object.values(data.tables)) {
    if (table.points) {
      table.at = table.points.map(([x, y]) => L.latLng(y / SCALE, x / SCALE));
    } else {
      table.shapes = table.rings.map((parts) => parts.map((rings) => rings.map(decodeRing)));
      table.boxes = table.shapes.map((parts) => L.latLngBounds(parts.flat(2)));
      table.at = table.labels.map(([x, y]) => L.latLng(y / SCALE, x / SCALE));
    }
  }

  function insideRing(ring, { lat, lng }) {
    let inside = false;
    for (let i = 0, j = ring.length - 1; i < ring.length; j = i++) {
      const a = ring[i];
      const b = ring[j];
      if (a.lat > lat !== b.lat > lat &&
          lng < ((b.lng - a.lng) * (lat - a.lat)) / (b.lat - a.lat) + a.lng) inside = !inside;
    }
    return inside;
  }

  function holds({ shapes, boxes }, row, place) {
    return boxes[row].contains(place) && shapes[row].some(
      (rings) => rings.reduce((inside, ring) => inside !== insideRing(ring, place), false));
  }

  function unitAt(name, place) {
    return data.tables[name].shapes.findIndex((_, row) => holds(data.tables[name], row, place));
  }

  function boxOf(table, row) {
    return table.boxes ? table.boxes[row] : L.latLngBounds([table.at[row]]);
  }

  // ---------------------------------------------------------------- drawing

  const canvas = L.canvas({ padding: 0.3 });
  const visible = new Set(data.layers.filter((layer) => layer.is_visible).map(({ id }) => id));
  const drawn = new Map(); // layer id -> Leaflet group, made when first shown

  function radius(layer, row) {
    return layer.diameter_px[row] / 2;
  }

  function style(layer, row) {
    const colour = (classOf(layer, row) || { colour: data.style.missing }).colour;
    // Leaflet would thin out each unit for itself, and leave slits between neighbours.
    const shared = { renderer: canvas, interactive: false, lineJoin: "round", smoothFactor: 0 };
    if (layer.geometry === "choropleth") {
      // A border in its own colour closes the hairlines between neighbours.
      return { ...shared, color: colour, weight: 0.6, fillColor: colour, fillOpacity: 1 };
    }
    if (layer.geometry === "outline") {
      return { ...shared, color: colour, weight: layer.line_px, fill: false, noClip: true };
    }
    if (!hasValue(layer, row)) {
      return { ...shared, color: colour, weight: 1.8, fill: false, radius: radius(layer, row) };
    }
    return {
      ...shared, color: data.style.paper, weight: 1, fillColor: colour, fillOpacity: 0.88,
      radius: radius(layer, row),
    };
  }

  /* Large symbols first, so that small ones stay in sight on top of them. */
  function rowsToDraw(layer) {
    const rows = layer.class_of.map((_, row) => row);
    if (layer.geometry !== "symbols") return rows;
    return rows.sort((a, b) => layer.diameter_px[b] - layer.diameter_px[a] || a - b);
  }

  function groupFor(layer) {
    if (!drawn.has(layer.id)) {
      const table = data.tables[layer.table];
      drawn.set(layer.id, L.layerGroup(rowsToDraw(layer).map((row) => (
        layer.geometry === "symbols"
          ? L.circleMarker(table.at[row], style(layer, row))
          : L.polygon(table.shapes[row], style(layer, row))))));
    }
    return drawn.get(layer.id);
  }

  function draw() {
    for (const id of data.order) {
      const layer = layers.get(id);
      if (!visible.has(id)) {
        if (drawn.has(id)) drawn.get(id).remove();
        continue;
      }
      const group = groupFor(layer).addTo(map);
      group.eachLayer((shape) => shape.bringToFront());
    }
    for (const mark of [hovered, chosen]) mark.raise();
    names.redraw();
  }

  /* A mark around one feature: a pale casing under a dark line. */
  function marker(weight) {
    let shapes = [];
    return {
      show(layer, row) {
        this.hide();
        const table = data.tables[layer.table];
        const shared = { renderer: canvas, interactive: false, fill: false, noClip: true };
        shapes = [[data.style.paper, weight + 3], [data.style.ink, weight]].map(([color, width]) => {
          const options = { ...shared, color, weight: width };
          return table.shapes
            ? L.polygon(table.shapes[row], options)
            : L.circleMarker(table.at[row], { ...options, radius: radiusOf(layer, row) + 2 });
        });
        for (const shape of shapes) shape.addTo(map);
      },
      hide() {
        for (const shape of shapes) shape.remove();
        shapes = [];
      },
      raise() {
        for (const shape of shapes) shape.bringToFront();
      },
    };
  }

  function radiusOf(layer, row) {
    return layer.geometry === "symbols" ? radius(layer, row) : 5;
  }

  const hovered = marker(1.6);
  const chosen = marker(2.4);

  // ---------------------------------------------------------------- names on the map

  /* Names are set like a printed map sets them: larger units first, each only where it fits,
     none across a circle. Circles are named in the view the map opens with, whatever its scale. */
  let namesOfSymbols = 11.75;
  /* More circles than this are named only where one looks at a street or two. */
  const CROWD = 60;
  const CROWD_ZOOM = 15;

  const names = (() => {
    const pane = map.createPane("names");
    pane.style.zIndex = 450;
    pane.style.pointerEvents = "none";
    const sheet = pane.appendChild(document.createElement("canvas"));
    sheet.setAttribute("aria-hidden", "true");
    const serif = "Georgia, 'Palatino Linotype', Palatino, serif";
    const sans = "system-ui, 'Segoe UI', Roboto, 'Noto Sans', sans-serif";
    const face = {
      regency: { font: `600 13px ${serif}`, spacing: "2px", upper: true, rank: 0, from: 0, to: 11.9,
        spill: 1.8 },
      symbols: { font: `600 11.5px ${sans}`, spacing: "0px", rank: 1, to: 99 },
      district: { font: `italic 600 13px ${serif}`, spacing: "0.4px", rank: 2, from: 0, to: 15,
        spill: 1.1 },
      village: { font: `11px ${sans}`, spacing: "0px", rank: 3, from: 12, to: 99, spill: 0.9 },
    };

    function candidates() {
      const zoom = map.getZoom();
      const found = [];
      for (const id of [...data.order].reverse()) {
        const layer = layers.get(id);
        if (!visible.has(id) || layer.geometry === "choropleth") continue;
        const look = face[layer.geometry === "symbols" ? "symbols" : layer.table] || face.village;
        const table = data.tables[layer.table];
        const isCrowd = layer.geometry === "symbols" && table.at.length > CROWD;
        const from = isCrowd ? CROWD_ZOOM : look.from ?? namesOfSymbols;
        if (zoom < from || zoom > look.to) continue;
        rowsToDraw(layer).forEach((row) => {
          const name = data.tables[layer.table].columns[layer.name][row];
          if (name !== null) found.push({ layer, row, name, look, at: table.at[row] });
        });
      }
      return found.sort((a, b) => a.look.rank - b.look.rank);
    }

    function redraw() {
      const size = map.getSize();
      const ratio = document.body.classList.contains("printing") ? 3 : window.devicePixelRatio || 1;
      const corner = map.containerPointToLayerPoint([0, 0]);
      L.DomUtil.setPosition(sheet, corner);
      sheet.width = size.x * ratio;
      sheet.height = size.y * ratio;
      sheet.style.width = `${size.x}px`;
      sheet.style.height = `${size.y}px`;
      const pen = sheet.getContext("2d");
      pen.scale(ratio, ratio);
      pen.textBaseline = "middle";
      pen.lineJoin = "round";
      const taken = circles();
      const written = new Set();
      const screen = L.bounds([0, 0], size);
      for (const { layer, row, name, look, at } of candidates()) {
        const others = taken.filter((other) => other.at !== at);
        const point = map.latLngToContainerPoint(at);
        if (!screen.contains(point) || written.has(name)) continue;
        pen.font = look.font;
        pen.letterSpacing = look.spacing;
        const text = look.upper ? name.toUpperCase() : name;
        const width = pen.measureText(text).width;
        const spot = layer.geometry === "symbols"
          ? besideSymbol(point, width, radius(layer, row), others, screen)
          : insideUnit(layer, row, point, width / look.spill, others, screen, width);
        if (!spot) continue;
        taken.push(spot);
        written.add(name);
        pen.lineWidth = 3;
        pen.strokeStyle = data.style.paper;
        pen.fillStyle = data.style.ink;
        pen.strokeText(text, spot.min.x + 2, (spot.min.y + spot.max.y) / 2);
        pen.fillText(text, spot.min.x + 2, (spot.min.y + spot.max.y) / 2);
      }
    }

    function box(left, middle, width) {
      return L.bounds([left - 2, middle - 8], [left + width + 2, middle + 8]);
    }

    /* What the circles in sight cover, as if they were names; a name so near to a circle that it
       could be taken for that circle's is kept off too. */
    function circles() {
      const shown = [...visible].map((id) => layers.get(id))
        .filter(({ geometry }) => geometry === "symbols");
      return shown.flatMap((layer) => data.tables[layer.table].at.map((at, row) => {
        const { x, y } = map.latLngToContainerPoint(at);
        const near = radius(layer, row) + 4;
        return {
          at,
          overlaps: ({ min, max }) => Math.hypot(
            Math.max(min.x - x, 0, x - max.x), Math.max(min.y - y, 0, y - max.y)) < near,
        };
      }));
    }

    function free(spot, taken, screen) {
      return screen.contains(spot) && !taken.some((other) => other.overlaps(spot));
    }

    function besideSymbol({ x, y }, width, r, taken, screen) {
      const aslant = r * 0.71 + 3;
      const places = [
        [x + r + 3, y], [x - r - 3 - width, y], [x - width / 2, y - r - 9],
        [x - width / 2, y + r + 9], [x + aslant, y - aslant - 4], [x + aslant, y + aslant + 4],
        [x - aslant - width, y - aslant - 4], [x - aslant - width, y + aslant + 4],
      ];
      return places.map(([left, middle]) => box(left, middle, width))
        .find((spot) => free(spot, taken, screen)) || null;
    }

    function insideUnit(layer, row, { x, y }, needed, taken, screen, width) {
      const table = data.tables[layer.table];
      const bounds = boxOf(table, row);
      const wide = map.latLngToContainerPoint(bounds.getNorthEast()).x -
        map.latLngToContainerPoint(bounds.getSouthWest()).x;
      if (needed >= wide) return null;
      const lines = [0, -12, 12, -24, 24, -36, 36];
      const places = [0, -0.2, 0.2].flatMap((part) => lines.map((down) => [part * wide, down]));
      return places.map(([right, down]) => [x + right, y + down])
        .filter(([right, down], i) =>
          i === 0 || holds(table, row, map.containerPointToLatLng([right, down])))
        .map(([right, down]) => box(right - width / 2, down, width))
        .find((spot) => free(spot, taken, screen)) || null;
    }

    map.on("moveend zoomend resize", redraw);
    map.on("zoomstart", () => { sheet.width = 0; });
    return { redraw };
  })();

  // ---------------------------------------------------------------- what lies at a place

  /* Top symbols first, then the fill, then units from the smallest to the largest. */
  function featuresAt(place) {
    const found = [];
    const point = map.latLngToContainerPoint(place);
    const shown = [...data.order].reverse().map((id) => layers.get(id))
      .filter((layer) => visible.has(layer.id));
    for (const layer of shown.filter(({ geometry }) => geometry === "symbols")) {
      const table = data.tables[layer.table];
      for (const row of rowsToDraw(layer).reverse()) {
        const reach = Math.max(radius(layer, row), 6) + 1;
        if (map.latLngToContainerPoint(table.at[row]).distanceTo(point) <= reach) {
          found.push({ layer, row });
        }
      }
    }
    const fills = shown.filter(({ geometry }) => geometry === "choropleth");
    const outlines = shown.filter(({ geometry }) => geometry === "outline")
      .sort((a, b) => a.line_px - b.line_px);
    const seen = new Set();
    for (const layer of [...fills, ...outlines]) {
      if (seen.has(layer.table)) continue;
      seen.add(layer.table);
      const row = unitAt(layer.table, place);
      if (row >= 0) found.push({ layer, row });
    }
    return found;
  }

  // ---------------------------------------------------------------- hover

  const tip = byId("tip");
  let pending = null;

  function tipText({ layer, row }) {
    const name = nameOf(layer, row);
    if (!layer.value) {
      const item = layer.category ? classOf(layer, row) : null;
      return [name, item ? item.label[language] : ""];
    }
    if (hasValue(layer, row)) return [name, cell(layer.table, layer.value, row)];
    const item = layer.hollow || classOf(layer, row);
    return [name, item ? item.label[language] : words("ui.no_figure")];
  }

  function hover(event) {
    const [first] = featuresAt(event.latlng);
    if (!first) return leave();
    hovered.show(first.layer, first.row);
    chosen.raise();
    const [name, value] = tipText(first);
    tip.replaceChildren(node("strong", {}, name), ...(value ? [node("span", {}, value)] : []));
    tip.hidden = false;
    const size = map.getSize();
    const { x, y } = event.containerPoint;
    tip.style.left = `${Math.min(x + 14, size.x - tip.offsetWidth - 6)}px`;
    tip.style.top = `${y + 18 + tip.offsetHeight > size.y ? y - 12 - tip.offsetHeight : y + 18}px`;
  }

  function leave() {
    hovered.hide();
    tip.hidden = true;
  }

  map.on("mousemove", (event) => {
    cancelAnimationFrame(pending);
    pending = requestAnimationFrame(() => hover(event));
  });
  map.on("mouseout movestart zoomstart", () => {
    cancelAnimationFrame(pending);
    leave();
  });

  // ---------------------------------------------------------------- card

  const card = byId("card");
  let open = null; // {layer, row, others, from}

  function openCard(layer, row, others, from) {
    open = { layer, row, others, from };
    chosen.show(layer, row);
    writeCard();
    card.hidden = false;
    card.scrollTop = 0;
    card.focus({ preventScroll: true });
  }

  function closeCard() {
    if (card.hidden) return;
    card.hidden = true;
    chosen.hide();
    const back = open.from;
    open = null;
    if (back) back.focus({ preventScroll: true });
  }

  function kindOf(layer, row) {
    const item = layer.category ? classOf(layer, row) : null;
    return item ? item.label[language] : data.fields[layer.name].label[language];
  }

  function sourcesOf(layer, row) {
    const column = data.tables[layer.table].columns.source_ids;
    const ids = (column && column[row] ? column[row].split(";") : []).map((id) => id.trim());
    return ids.map((id) => data.sources[id] || id);
  }

  function writeCard() {
    const { layer, row, others } = open;
    const lines = layer.popup.filter((name) => name !== "source_ids").flatMap((name) => {
      const isValue = name === layer.value;
      return [
        node("dt", { class: isValue ? "main" : "" }, data.fields[name].label[language]),
        node("dd", { class: isValue ? "main" : "", "data-field": name },
          cell(layer.table, name, row)),
      ];
    });
    const close = node("button", { type: "button", class: "close",
      "aria-label": words("ui.close") }, "\u00d7");
    close.addEventListener("click", closeCard);
    const parts = [
      close,
      node("p", { class: "kind" }, kindOf(layer, row)),
      node("h2", { id: "card-title" }, nameOf(layer, row)),
      node("dl", {}, ...lines),
      layer.popup.includes("source_ids") ? cited(sourcesOf(layer, row)) : null,
      others.length ? alsoHere(others) : null,
    ];
    card.replaceChildren(...parts.filter((part) => part !== null));
  }

  function cited(sources) {
    const list = sources.length ? sources : ["\u2013"];
    return node("div", { class: "sources" }, node("h3", {}, words("ui.sources")),
      node("ul", {}, ...list.map((text) => node("li", {}, text))));
  }

  function alsoHere(others) {
    const buttons = others.map((other, i) => {
      const button = node("button", { type: "button" },
        `${nameOf(other.layer, other.row)} (${kindOf(other.layer, other.row)})`);
      button.addEventListener("click", () => {
        const rest = [{ layer: open.layer, row: open.row }, ...others.filter((_, j) => j !== i)];
        openCard(other.layer, other.row, rest, open.from);
      });
      return node("li", {}, button);
    });
    return node("div", { class: "also" }, node("h3", {}, words("ui.also_here")),
      node("ul", {}, ...buttons));
  }

  map.on("click", (event) => {
    const [first, ...others] = featuresAt(event.latlng);
    if (!first) return closeCard();
    openCard(first.layer, first.row, others, map.getContainer());
    uncover(event.containerPoint);
  });

  // ---------------------------------------------------------------- panel and legend

  const boxes = new Map(); // layer id -> checkbox

  function setVisible(id, on) {
    if (!on) visible.delete(id);
    else {
      if (layers.get(id).geometry === "choropleth") {
        // One fill hides another: showing one puts the others away.
        for (const other of visible) {
          if (layers.get(other).geometry === "choropleth") visible.delete(other);
        }
      }
      visible.add(id);
    }
    for (const [other, box] of boxes) box.checked = visible.has(other);
    draw();
    writeLegend();
  }

  function layerRow(layer) {
    const id = `layer-${layer.id}`;
    const box = node("input", { type: "checkbox", id, "aria-describedby": `${id}-note` });
    box.checked = visible.has(layer.id);
    box.addEventListener("change", () => setVisible(layer.id, box.checked));
    boxes.set(layer.id, box);
    return node("div", { class: "layer" }, box,
      say(node("label", { for: id }), () => layer.title[language]),
      say(node("p", { id: `${id}-note`, class: "note" }), () => layer.note[language]));
  }

  function writePanel() {
    for (const group of data.groups) {
      const rows = group.layers.map((id) => layers.get(id));
      const fills = rows.filter(({ geometry }) => geometry === "choropleth").length;
      byId("layers").append(node("fieldset", {},
        say(node("legend"), () => group.title[language]),
        fills > 1 ? say(node("p", { class: "hint" }), () => words("ui.one_fill")) : null,
        ...rows.map(layerRow)));
    }
  }

  function classRow(layer, item) {
    return node("li", { "data-class": item.key }, swatch(layer, item),
      node("span", { class: "label" }, item.label[language]),
      node("span", { class: "count" }, words("legend.count", { n: number(item.count, 0) })));
  }

  function sizeRow(layer) {
    const by = layer.unit || data.fields[layer.value].label;
    return node("div", { class: "sizes" },
      node("p", {}, `${words("legend.size")} (${by[language]})`),
      node("ul", {}, ...layer.sizes.map((size) => {
        const circle = node("span", { class: "circle", "aria-hidden": "true" });
        circle.style.width = circle.style.height = `${size.px}px`;
        return node("li", {}, circle, node("span", { class: "label" }, size.label[language]));
      })));
  }

  function keyOf(layer) {
    const rows = layer.classes.map((item) => classRow(layer, item));
    if (layer.hollow) rows.push(classRow(layer, layer.hollow));
    const single = rows.length === 1 ? " single" : "";
    return node("section", { class: `key ${layer.geometry}${single}`, "data-layer": layer.id },
      node("h3", {}, layer.title[language]),
      layer.unit && !layer.sizes.length
        ? node("p", { class: "unit" }, layer.unit[language]) : null,
      node("ul", { class: "classes" }, ...rows),
      layer.sizes.length ? sizeRow(layer) : null,
      node("p", { class: "caption" }, layer.caption[language]));
  }

  function writeLegend() {
    const shown = data.layers.filter((layer) => visible.has(layer.id));
    byId("keys").replaceChildren(...(shown.length
      ? shown.map(keyOf)
      : [node("p", { class: "hint" }, words("ui.no_layers"))]));
  }

  // ---------------------------------------------------------------- search

  const input = byId("search");
  const results = byId("results");
  let matches = [];
  let active = -1;

  const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

  /* Every feature once, under the topmost layer of its table. */
  const entries = [...new Map([...data.layers].reverse().map((layer) => [layer.table, layer]))
    .values()].reverse().flatMap((layer) => {
    const { columns } = data.tables[layer.table];
    return columns[layer.name].flatMap((name, row) => {
      if (name === null) return [];
      const around = ["village_name", "district_name", "regency_name"]
        .filter((column) => column !== layer.name && columns[column] && columns[column][row])
        .map((column) => columns[column][row]);
      return [{ layer, row, name, folded: plain(name), around: around.join(", ") }];
    });
  });

  function find(text) {
    const wanted = plain(text.trim());
    if (!wanted) return [];
    const rank = ({ folded }) => (
      folded === wanted ? 0 : folded.startsWith(wanted) ? 1 : folded.includes(` ${wanted}`) ? 2 : 3);
    return entries.filter(({ folded }) => folded.includes(wanted))
      .sort((a, b) => rank(a) - rank(b) || a.name.length - b.name.length);
  }

  function writeResults() {
    const all = find(input.value);
    matches = all.slice(0, 12);
    active = -1;
    results.replaceChildren(...matches.map(({ layer, row, name, around }, i) => {
      const item = node("li", { role: "option", id: `result-${i}`, "aria-selected": "false" },
        node("strong", {}, name),
        node("span", {}, [kindOf(layer, row), around].filter(Boolean).join(" \u00b7 ")));
      item.addEventListener("mousedown", (event) => event.preventDefault());
      item.addEventListener("click", () => choose(i));
      return item;
    }));
    const shown = matches.length > 0;
    results.hidden = !shown;
    input.setAttribute("aria-expanded", String(shown));
    input.removeAttribute("aria-activedescendant");
    byId("found").textContent = !input.value.trim() ? ""
      : shown ? words("ui.results_count", { n: number(all.length, 0) }) : words("ui.no_match");
    byId("found").classList.toggle("none", !shown && Boolean(input.value.trim()));
  }

  function hideResults() {
    results.hidden = true;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
    byId("found").classList.remove("none");
  }

  function move(step) {
    if (!matches.length) return;
    if (results.hidden) writeResults();
    if (active >= 0) results.children[active].setAttribute("aria-selected", "false");
    active = (active + step + matches.length + (active < 0 && step < 0 ? 1 : 0)) % matches.length;
    const item = results.children[active];
    item.setAttribute("aria-selected", "true");
    item.scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", item.id);
  }

  function choose(i) {
    const { table } = matches[i].layer;
    const { row, name } = matches[i];
    const ofTable = data.layers.filter((layer) => layer.table === table);
    const layer = ofTable.find(({ id }) => visible.has(id)) || ofTable[0];
    if (layer.geometry === "symbols" && !visible.has(layer.id)) setVisible(layer.id, true);
    input.value = name;
    hideResults();
    closeDrawers();
    openCard(layer, row, [], input);
    zoomTo(boxOf(data.tables[table], row), data.tables[table].shapes ? 14 : 13.5);
  }

  input.addEventListener("input", writeResults);
  input.addEventListener("focus", () => input.select());
  input.addEventListener("blur", hideResults);
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      move(event.key === "ArrowDown" ? 1 : -1);
      event.preventDefault();
    } else if (event.key === "Enter" && matches.length && !results.hidden) {
      choose(Math.max(active, 0));
      event.preventDefault();
    } else if (event.key === "Escape" && !results.hidden) {
      hideResults();
      event.stopPropagation();
    }
  });

  // ---------------------------------------------------------------- views and controls

  /* Leaflet drops a view asked for while it glides to another: it waits for its turn. */
  let gliding = false;
  let next = null;
  map.on("zoomanim", () => { gliding = true; });
  map.on("zoomend", () => {
    gliding = false;
    if (next) next();
  });

  /* The card covers part of the map: what is chosen belongs into the rest. */
  function zoomTo(box, maxZoom = 16) {
    next = gliding ? () => zoomTo(box, maxZoom) : null;
    if (next) return;
    const padding = { paddingTopLeft: [24, 60], paddingBottomRight: [24, 24] };
    if (!card.hidden) {
      padding.paddingBottomRight = isSheet()
        ? [24, card.offsetHeight + 24]
        : [card.offsetWidth + 36, 24];
    }
    map.fitBounds(box, { ...padding, maxZoom, animate: !calm });
  }

  function isSheet() {
    return card.offsetWidth > byId("stage").offsetWidth * 0.9;
  }

  /* Move the map just so far that the card does not lie on the place it tells of. */
  function uncover(point) {
    const stage = map.getSize();
    const over = isSheet()
      ? [0, point.y - (stage.y - card.offsetHeight - 40)]
      : [point.x - (stage.x - card.offsetWidth - 52), 0];
    if (Math.max(...over) > 0) map.panBy(over, { animate: !calm });
  }

  function corners([west, south, east, north]) {
    return L.latLngBounds([south, west], [north, east]);
  }

  const toFocus = byId("to-focus"); // not there where the focus is the whole area
  if (toFocus) toFocus.addEventListener("click", () => zoomTo(corners(data.focus)));
  byId("to-all").addEventListener("click", () => zoomTo(corners(data.bounds)));
  byId("zoom-in").addEventListener("click", () => map.zoomIn(1, { animate: !calm }));
  byId("zoom-out").addEventListener("click", () => map.zoomOut(1, { animate: !calm }));

  const drawers = [["show-panel", "panel"], ["show-legend", "legend"]];

  function setDrawer(button, id, on) {
    byId(id).classList.toggle("open", on);
    byId(button).setAttribute("aria-expanded", String(on));
  }

  function closeDrawers() {
    for (const [button, id] of drawers) setDrawer(button, id, false);
  }

  for (const [button, id] of drawers) {
    byId(button).addEventListener("click", () => {
      const on = byId(button).getAttribute("aria-expanded") !== "true";
      closeDrawers();
      setDrawer(button, id, on);
    });
  }

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    if (!card.hidden) return closeCard();
    for (const [button, id] of drawers) {
      if (byId(id).classList.contains("open")) {
        closeDrawers();
        byId(button).focus();
      }
    }
  });

  // ---------------------------------------------------------------- language

  function setLanguage(chosenLanguage) {
    language = chosenLanguage;
    document.documentElement.lang = language;
    document.title = data.title[language];
    for (const write of spoken) write();
    byId("language").lang = language === "id" ? "en" : "id";
    input.placeholder = words("ui.search");
    input.setAttribute("aria-label", words("ui.search"));
    results.setAttribute("aria-label", words("ui.results"));
    byId("zoom-in").setAttribute("aria-label", words("ui.zoom_in"));
    byId("zoom-out").setAttribute("aria-label", words("ui.zoom_out"));
    map.getContainer().setAttribute("aria-label", words("ui.map"));
    hideResults();
    writeLegend();
    if (open) writeCard();
  }

  for (const part of document.querySelectorAll("[data-t]")) {
    say(part, () => words(part.dataset.t));
  }
  say(byId("title"), () => data.title[language]);
  say(byId("footer"), () => data.footer[language]);
  byId("language").addEventListener("click", () => setLanguage(language === "id" ? "en" : "id"));

  // ---------------------------------------------------------------- printing

  /* A canvas does not grow with the paper: for printing, the map takes the paper's size, is drawn
     with twice the points, and one flat copy of it is printed, which every browser gets right. */
  const paper = node("canvas", { class: "paper", "aria-hidden": "true" });
  let before = null;

  function fitPaper(printing) {
    document.body.classList.toggle("printing", printing);
    L.Browser.retina = printing || window.devicePixelRatio > 1;
    map.invalidateSize({ animate: false, pan: false });
    map.fitBounds(before, { animate: false });
  }

  window.addEventListener("beforeprint", () => {
    before = map.getBounds();
    leave();
    fitPaper(true);
    const size = map.getSize();
    const frame = map.getContainer().getBoundingClientRect();
    paper.width = size.x * 2;
    paper.height = size.y * 2;
    const pen = paper.getContext("2d");
    pen.fillStyle = "#ffffff";
    pen.fillRect(0, 0, paper.width, paper.height);
    for (const sheet of map.getContainer().querySelectorAll("canvas")) {
      const place = sheet.getBoundingClientRect();
      pen.drawImage(sheet, 2 * (place.left - frame.left), 2 * (place.top - frame.top),
        2 * place.width, 2 * place.height);
    }
    byId("stage").append(paper);
  });

  window.addEventListener("afterprint", () => {
    paper.remove();
    fitPaper(false);
  });

  // ---------------------------------------------------------------- start

  map.getContainer().setAttribute("role", "region");
  map.setMaxZoom(16);
  L.control.scale({ imperial: false, maxWidth: 140 }).addTo(map);
  writePanel();
  setLanguage(language);
  map.fitBounds(corners(data.focus), { animate: false, padding: [16, 16] });
  namesOfSymbols = Math.min(namesOfSymbols, map.getZoom());
  map.setMinZoom(Math.floor(map.getBoundsZoom(corners(data.bounds))) - 1);
  map.setMaxBounds(corners(data.bounds).pad(0.6));
  draw();
  document.body.dataset.ready = "true";
}
