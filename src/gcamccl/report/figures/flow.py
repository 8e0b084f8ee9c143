"""Who was left out: flow of people from the study to the two groups."""

from matplotlib.patches import FancyBboxPatch

from gcamccl.report.figures import style


def people(steps, groups):
    """Flow of people from the study to the two groups.

    Parameters
    ----------
    steps : list of (str, int, list of (str, int))
        Stage of the flow, people left, and those lost before the next one with their reasons.
    groups : dict of str to int
        People in the groups low and high.

    Returns
    -------
    Figure
    """
    rows = len(steps) + 1
    drawing, axis = style.figure(7.2, 1.0 * rows + 0.3)
    axis.set_xlim(0, 10)
    axis.set_ylim(-rows + 0.45, 0.55)
    axis.set_axis_off()
    for row, (text, count, lost) in enumerate(steps):
        _box(axis, 2.2, -row, 4.0, f"{text}\nn = {style.thousands(count)}", "#F3F6F9")
        if row + 1 < len(steps):
            _arrow(axis, (2.2, -row - 0.31), (2.2, -row - 0.69))
        total = sum(number for _, number in lost)
        if total:
            shown = [f"{reason}: {style.thousands(number)}" for reason, number in lost[:3]]
            if len(lost) > 3:
                shown.append(f"{len(lost) - 3} more reasons: {sum(number for _, number in lost[3:])}")
            _box(axis, 7.4, -row - 0.5, 4.6, "\n".join(shown), "#FFFFFF", size=7.5, height=0.13 + 0.19 * len(shown))
            _arrow(axis, (2.2, -row - 0.5), (5.08, -row - 0.5))
    bottom = -rows + 1
    for (name, count), x in zip(groups.items(), (1.1, 3.7), strict=True):
        box = _box(axis, x, bottom, 2.1, f"{style.CLASS_LABELS[name]}\nn = {style.thousands(count)}", "#FFFFFF")
        box.set_edgecolor(style.COLOURS[name])
        box.set_linewidth(2)
        _arrow(axis, (2.2, bottom + 0.69), (x, bottom + 0.33))
    return drawing


def _box(axis, x, y, width, text, colour, size=9, height=0.6):
    """A labelled box around (x, y); returns its patch."""
    patch = FancyBboxPatch(
        (x - width / 2, y - height / 2), width, height, boxstyle="round,pad=0.02", facecolor=colour, edgecolor="#556270"
    )
    axis.add_patch(patch)
    axis.text(x, y, text, ha="center", va="center", fontsize=size)
    return patch


def _arrow(axis, start, end):
    axis.annotate("", xy=end, xytext=start, arrowprops={"arrowstyle": "->", "color": "#556270", "lw": 1.2})
