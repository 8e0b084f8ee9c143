"""Colours, fonts and saving, the same for all figures."""

import re
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.ticker import NullFormatter

# Okabe and Ito's colour-blind safe palette; class colours also differ in lightness, so they survive grey print.
COLOURS = {"low": "#E69F00", "high": "#0072B2", "permuted": "#8C8C8C", "paper": "#000000", "accent": "#009E73"}
CLASS_LABELS = {"low": "low group", "high": "high group"}
PIXELS_PER_INCH = 150
STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "legend.frameon": False,
    "text.parse_math": False,  # names of the study are text, also with two $ in them
    "svg.hashsalt": "gcamccl",  # the same picture gives the same file
    "svg.fonttype": "path",
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}
# Network colours: Paul Tol's muted scheme and greys; the bands are labelled as well, colour is never alone.
NETWORK_COLOURS = (
    *("#332288", "#88CCEE", "#44AA99", "#117733", "#999933", "#DDCC77", "#CC6677", "#882255", "#AA4499"),
    *("#4C72B0", "#B58900", "#6C6C6C", "#B07AA1", "#BBBBBB"),
)


def figure(width=7.2, height=4.0, rows=1, columns=1, **kwargs):
    """A figure and its axes; size in inches."""
    return plt.subplots(rows, columns, figsize=(width, height), layout="constrained", **kwargs)


def styled():
    """Context in which the report's figures are drawn and saved."""
    return plt.rc_context(STYLE)


def save(drawing, png, svg):
    """Write a figure as PNG and SVG and close it."""
    drawing.savefig(png, dpi=PIXELS_PER_INCH, metadata={"Software": None})
    drawing.savefig(svg, dpi=PIXELS_PER_INCH, metadata={"Date": None, "Creator": None})
    Path(svg).write_text(_numbered(Path(svg).read_text(encoding="utf-8")), encoding="utf-8")
    plt.close(drawing)


def _numbered(svg):
    """The picture with its clip paths named by number: matplotlib names some by where an object lies in memory."""
    names = dict.fromkeys(re.findall(r'<clipPath id="(\w+)"', svg))
    numbers = {name: f"clip{number}" for number, name in enumerate(names)}
    return re.sub(r'(?<=<clipPath id=")\w+|(?<=url\(#)\w+', lambda found: numbers.get(found[0], found[0]), svg)


def message(text, width=7.2, height=1.6):
    """A figure that only says why there is nothing to draw."""
    drawing, axis = figure(width, height)
    empty(axis, text)
    return drawing


def empty(axis, text):
    """Turn an axis into a plain statement."""
    axis.set_axis_off()
    axis.text(0.5, 0.5, text, ha="center", va="center", transform=axis.transAxes, color="#444444", wrap=True)


def log_scale(axis):
    """Logarithmic y axis with plain numbers: matplotlib's own labels are mathtext, which `STYLE` turns off."""
    axis.set_yscale("log")
    axis.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.yaxis.set_minor_formatter(NullFormatter())


def network_colour(networks):
    """Colour of every network name, by order of appearance."""
    return {name: NETWORK_COLOURS[place % len(NETWORK_COLOURS)] for place, name in enumerate(networks)}


def thousands(value):
    """A count with a thin separator."""
    return f"{int(value):,}"
