"""Places and letters of the page, in inches from its top left corner.

Every part is put where it belongs: a layout engine would measure all letters of the page twice, which costs more than
drawing it.
"""

WIDTH = 13.0  # inches
DPI = 100  # read on a screen at full size
MARGIN = 0.35
SMALL, NORMAL, HEADING = 8.5, 9.5, 12.5  # letters, points
CURVE_COLOURS = ("#0072B2", "#D55E00", "#009E73")  # Okabe and Ito
WARNING_COLOUR = "#B34700"  # their vermillion, darker, as it colours letters
# Steps of colour scales: enough for the eye, fewer than 256, which would make the file half as large again. Smooth
# pictures of the head need more steps than noisy ones, where bands cannot be seen.
SMOOTH_STEPS, NOISY_STEPS = 48, 25  # odd where r = 0 must have a colour of its own
MISSING_COLOUR = "#9A9A9A"
LIMIT_COLOUR = "#444444"

# The paper's values (section III-A). They are shown whatever the connectivity stage is set to: what preprocess leaves
# must not depend on a later stage's settings.
MAX_TRANSLATION_MM = 2.0
MIN_SFNR = 275.0
LOW_HZ, HIGH_HZ = 0.01, 0.1
# Power et al. 2012 censored above 0.5 mm, Power et al. 2014 above 0.2 mm.
FD_LIMITS_MM = (0.2, 0.5)


def place(figure, left, top, width, height):
    """Axes at a place of the page, inches."""
    full_width, full_height = figure.get_size_inches()
    return figure.add_axes(
        (left / full_width, 1 - (top + height) / full_height, width / full_width, height / full_height)
    )


def write(figure, left, top, text, **kwargs):
    """Letters whose top left corner is at a place of the page, inches."""
    full_width, full_height = figure.get_size_inches()
    kwargs = {"fontsize": NORMAL, "va": "top", "ha": "left"} | kwargs
    return figure.text(left / full_width, 1 - top / full_height, text, **kwargs)


def patch(figure, left, top, width, height, colour):
    """Filled rectangle at a place of the page, inches."""
    from matplotlib.patches import Rectangle

    full_width, full_height = figure.get_size_inches()
    corner = left / full_width, 1 - (top + height) / full_height
    size = width / full_width, height / full_height
    figure.add_artist(Rectangle(corner, *size, transform=figure.transFigure, facecolor=colour, edgecolor="none"))


def heading(figure, top, title, note=""):
    """Title of a part of the page, and what it shows in smaller letters beside it."""
    write(figure, MARGIN, top, title, fontsize=HEADING, fontweight="bold")
    write(figure, MARGIN + 0.2 + 0.108 * len(title), top + 0.045, note, color="#444444")


def colours(name, steps=NOISY_STEPS):
    """A colour map in few steps."""
    import matplotlib as mpl

    return mpl.colormaps[name].resampled(steps)


def colour_bar(figure, image, left, top, height, label, ticks=None):
    """Vertical colour bar, 0.12 inches wide."""
    bar = figure.colorbar(image, cax=place(figure, left, top, 0.12, height), ticks=ticks)
    bar.ax.tick_params(labelsize=SMALL, length=2)
    bar.set_label(label, fontsize=SMALL)
    bar.outline.set_linewidth(0.5)
    return bar
