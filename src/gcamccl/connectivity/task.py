"""Task regressors: a BIDS events table convolved with a haemodynamic response."""

from functools import lru_cache

import numpy as np

from gcamccl.workflow.errors import InputError
from gcamccl.workflow.files import read_tsv

HRF_MODELS = {"glover": "glover", "glover_derivative": "glover + derivative"}
RESPONSE_S = 32.0  # length of nilearn's Glover response: what ends earlier than this before the scan is not seen in it
FRAME_TIME = 0.5  # of a volume, in repetition times after its start: the mean acquisition time of its slices
UNTYPED = "n/a"  # events without trial_type are one condition


def read_events(path, scan_s):
    """Events of one scan.

    Parameters
    ----------
    path : str or Path
        BIDS events table: onset and duration in seconds from the start of the first volume, trial_type optional;
        other columns are not used.
    scan_s : float
        Length of the scan, seconds.

    Returns
    -------
    rows : tuple of (str, float, float)
        trial_type, onset, duration, in the order of the table. Events that the scan cannot show are left out.
    warnings : list of str

    Raises
    ------
    InputError
        No column onset or duration, a value that is no number, a negative duration, no event inside the scan.
    """
    table = read_tsv(path, columns=("onset", "duration"), dtype=str)
    if table.empty:
        raise InputError(path, "no events")
    onset, duration = (_seconds(path, table[name], name) for name in ("onset", "duration"))
    if (duration < 0).any():
        raise InputError(path, f"line {2 + int((duration < 0).argmax())}: duration is negative")
    kind = table.reindex(columns=["trial_type"], fill_value=UNTYPED)["trial_type"].fillna(UNTYPED).str.strip()
    late, early = onset >= scan_s, onset + duration <= -RESPONSE_S
    if (late | early).all():
        raise InputError(
            path,
            f"no event lies inside the scan of {scan_s:g} s: onsets from {onset.min():g} to {onset.max():g} s",
            "onsets are seconds from the start of the first volume",
        )
    warnings = [
        f"{found.sum()} of {len(table)} events {where}: not used"
        for found, where in (
            (late, f"start after the scan's end ({scan_s:g} s)"),
            (early, f"end more than {RESPONSE_S:g} s before the scan"),
        )
        if found.any()
    ]
    rows = zip(kind, onset.tolist(), duration.tolist(), ~(late | early), strict=True)
    return tuple(row[:3] for row in rows if row[3]), warnings


def _seconds(path, values, name):
    """A column as float64; text and missing values are refused."""
    for row, value in enumerate(values):
        try:
            finite = np.isfinite(float(value))
        except ValueError:
            finite = False
        if not finite:
            shown = "n/a" if isinstance(value, float) else value
            raise InputError(path, f"line {row + 2}: {name} is {shown}, not a number of seconds")
    return values.to_numpy(np.float64)


@lru_cache(maxsize=32)  # in most studies everybody sees the same events
def task_regressors(rows, n_volumes, repetition_time_s, model):
    """Expected BOLD response to each kind of event, at the middle of every volume.

    Parameters
    ----------
    rows : tuple of (str, float, float)
        As from `read_events`.
    n_volumes : int
    repetition_time_s : float
    model : str
        ``glover`` (Glover 1999) or ``glover_derivative``, with its time derivative, which follows responses that come
        a little earlier or later.

    Returns
    -------
    float64 (n_volumes, k)
        One or two columns a trial_type, in the order of their names. Read-only.
    """
    from nilearn.glm.first_level import compute_regressor

    frame_times = (np.arange(n_volumes) + FRAME_TIME) * repetition_time_s
    columns = []
    for kind in sorted({row[0] for row in rows}):
        onset, duration = np.array([row[1:] for row in rows if row[0] == kind]).T
        end = onset + duration
        # What lies further back has died away; nilearn would start such an event at its earliest time.
        onset = np.maximum(onset, -RESPONSE_S)
        events = np.stack([onset, end - onset, np.ones_like(onset)])
        earliest = -RESPONSE_S - frame_times[0] - repetition_time_s
        columns.append(compute_regressor(events, HRF_MODELS[model], frame_times, min_onset=earliest)[0])
    result = np.concatenate(columns, axis=1)
    result.flags.writeable = False
    return result
