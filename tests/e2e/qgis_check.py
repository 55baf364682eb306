"""Open a written project in real QGIS, draw it, and say what was found, as JSON.

Run by the Python that has PyQGIS: ``qgis_check.py <atlas.qgz> <folder for pictures>``.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from qgis.core import (
    Qgis,
    QgsApplication,
    QgsExpression,
    QgsExpressionContext,
    QgsExpressionContextUtils,
    QgsFeatureRequest,
    QgsLayoutExporter,
    QgsLayoutItemLegend,
    QgsLayoutItemMap,
    QgsMapRendererParallelJob,
    QgsMapSettings,
    QgsProject,
    QgsSymbolLayer,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QSize
from qgis.PyQt.QtGui import QColor, QImage


def _classes(layer):
    renderer = layer.renderer()
    if renderer.type() == "singleSymbol":
        return [{"label": layer.name(), "filter": "", "colour": _line(renderer.symbol())}]
    found = []
    for rule in renderer.rootRule().descendants():
        symbol = rule.symbol()
        is_legend_only = rule.filterExpression() == "FALSE"
        request = QgsFeatureRequest()
        if rule.filterExpression():
            request.setFilterExpression(rule.filterExpression())
        found.append(
            {
                "label": rule.label(),
                "filter": rule.filterExpression(),
                "colour": symbol.color().name() if symbol else None,
                "is_filled": symbol is not None and symbol.color().alpha() > 0,
                "line": _line(symbol) if symbol else None,
                "size_mm": symbol.size() if symbol and hasattr(symbol, "size") else None,
                "is_legend_only": is_legend_only,
                "count": sum(1 for _ in layer.getFeatures(request)),
            }
        )
    return found


def _line(symbol):
    return symbol.symbolLayer(0).strokeColor().name()


def _context(project, layer, feature):
    context = QgsExpressionContext()
    context.appendScopes(QgsExpressionContextUtils.globalProjectLayerScopes(layer))
    context.setFeature(feature)
    return context


def _sizes(project, layer):
    """Evaluate the data-defined size and fill of every feature, by its key (first column)."""
    if layer.renderer().type() != "RuleRenderer":
        return {}
    found = {}
    for rule in layer.renderer().rootRule().children():
        if rule.filterExpression() == "FALSE" or rule.symbol() is None:
            continue
        part = rule.symbol().symbolLayer(0)
        if part.layerType() != "SimpleMarker":
            continue
        defined = part.dataDefinedProperties()
        request = QgsFeatureRequest()
        if rule.filterExpression():
            request.setFilterExpression(rule.filterExpression())
        for feature in layer.getFeatures(request):
            context = _context(project, layer, feature)
            size, _ = defined.valueAsDouble(QgsSymbolLayer.PropertySize, context, part.size())
            fill, _ = defined.valueAsColor(QgsSymbolLayer.PropertyFillColor, context, part.color())
            found[feature[1]] = [size, fill.name(QColor.HexArgb)]
    return found


def _picture(project, layers, path, extent, size=(1600, 1000)):
    settings = QgsMapSettings()
    settings.setLayers(layers)
    settings.setDestinationCrs(project.crs())
    settings.setBackgroundColor(project.backgroundColor())
    settings.setOutputSize(QSize(*size))
    settings.setExtent(extent)
    context = QgsExpressionContext()
    context.appendScope(QgsExpressionContextUtils.globalScope())
    context.appendScope(QgsExpressionContextUtils.projectScope(project))
    context.appendScope(QgsExpressionContextUtils.mapSettingsScope(settings))
    settings.setExpressionContext(context)
    job = QgsMapRendererParallelJob(settings)
    job.start()
    job.waitForFinished()
    image = job.renderedImage()
    image.save(str(path))
    return _colours(image)


def _colours(image):
    """Return how many pixels have each of the commonest colours."""
    image = image.convertToFormat(QImage.Format_RGB32)
    bits = image.constBits()
    bits.setsize(image.sizeInBytes())
    counts = Counter(memoryview(bytes(bits)).cast("I"))
    return {f"#{code & 0xFFFFFF:06x}": count for code, count in counts.most_common(300)}


def _tree(node, path, found):
    for child in node.children():
        if hasattr(child, "layerId"):
            found[child.layerId()] = {
                "group": path,
                "is_visible": child.itemVisibilityChecked(),
            }
        else:
            _tree(child, [*path, child.name()], found)
    return found


def _layer(project, layer, place, folder, view):
    feature = next(layer.getFeatures())
    tip = QgsExpression.replaceExpressionText(
        layer.mapTipTemplate(), _context(project, layer, feature)
    )
    alone = QgsVectorLayer(layer.source(), "alone", "ogr")
    alone.loadDefaultStyle()
    is_drawn = layer.isValid()
    return {
        "name": layer.name(),
        "is_valid": is_drawn,
        "provider": layer.providerType(),
        "source": layer.source(),
        "crs": layer.crs().authid(),
        "features": layer.featureCount(),
        "geometry": Qgis.GeometryType(layer.geometryType()).name
        if hasattr(Qgis, "GeometryType")
        else layer.geometryType(),
        "renderer": layer.renderer().type(),
        "classes": _classes(layer),
        "symbols": _sizes(project, layer),
        "aliases": layer.attributeAliases(),
        "widgets": {
            field.name(): layer.editorWidgetSetup(i).type()
            for i, field in enumerate(layer.fields())
        },
        "fields": {field.name(): field.typeName() for field in layer.fields()},
        "display": layer.displayExpression(),
        "tip": tip,
        "has_labels": layer.labelsEnabled() and layer.labeling() is not None,
        "abstract": layer.metadata().abstract(),
        "rights": layer.metadata().rights(),
        "default_style": alone.renderer().type(),
        "colours": _picture(project, [layer], folder / f"layer-{layer.id()}.png", view),
        **place,
    }


def _layout(layout, folder, number):
    exporter = QgsLayoutExporter(layout)
    pdf, png = (folder / f"layout-{number}.{suffix}" for suffix in ("pdf", "png"))
    image_settings = QgsLayoutExporter.ImageExportSettings()
    image_settings.dpi = 110
    image_settings.exportMetadata = False
    results = [
        exporter.exportToPdf(str(pdf), QgsLayoutExporter.PdfExportSettings()),
        exporter.exportToImage(str(png), image_settings),
    ]
    items = [item for item in layout.items() if hasattr(item, "displayName")]
    maps = [item for item in items if isinstance(item, QgsLayoutItemMap)]
    legends = [item for item in items if isinstance(item, QgsLayoutItemLegend)]
    page = layout.pageCollection().page(0).pageSize()
    main = next(item for item in maps if item.id() == "map")
    return {
        "name": layout.name(),
        "page": [page.width(), page.height()],
        "is_exported": [result == QgsLayoutExporter.Success for result in results],
        "bytes": [pdf.stat().st_size, png.stat().st_size],
        "layers": [layer.id() for layer in main.layers()],
        "keeps_layers": main.keepLayerSet(),
        "scale": main.scale(),
        "legend": [
            tree.layerId() for legend in legends for tree in legend.model().rootGroup().findLayers()
        ],
        "boxes": {
            item.id(): [
                item.pos().x(),
                item.pos().y(),
                item.rect().width(),
                item.rect().height(),
            ]
            for item in items
            if item.id()
        },
        "colours": _colours(QImage(str(png))),
    }


def main() -> None:
    source, folder = Path(sys.argv[1]), Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    application = QgsApplication([], False)
    application.initQgis()
    messages = []
    application.messageLog().messageReceived.connect(
        lambda text, tag, level: messages.append([tag, int(level), text])
    )
    project = QgsProject.instance()
    is_read = project.read(str(source))
    places = _tree(project.layerTreeRoot(), [], {})
    root = project.layerTreeRoot()
    order = [layer for layer in root.layerOrder() if places[layer.id()]["is_visible"]]
    view = project.viewSettings().defaultViewExtent()
    report = {
        "qgis": Qgis.QGIS_VERSION,
        "is_read": is_read,
        "error": project.error(),
        "title": project.title(),
        "crs": project.crs().authid(),
        "order": [layer.id() for layer in root.layerOrder()],
        "variables": project.customVariables(),
        "metadata": [project.metadata().title(), project.metadata().abstract()],
        "view": [view.xMinimum(), view.yMinimum(), view.xMaximum(), view.yMaximum()],
        "layers": {
            name: _layer(project, project.mapLayer(name), place, folder, view)
            for name, place in places.items()
        },
        "opening": _picture(project, order, folder / "opening.png", view),
        "layouts": [
            _layout(layout, folder, number)
            for number, layout in enumerate(project.layoutManager().printLayouts())
        ],
        "messages": messages,
    }
    print(json.dumps(report, ensure_ascii=False))
    sys.stdout.flush()
    # Leaving without exitQgis: PyQGIS tears its objects down in no fixed order.
    os._exit(0)


if __name__ == "__main__":
    main()
