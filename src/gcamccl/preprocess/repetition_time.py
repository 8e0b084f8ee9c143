"""Repetition time of a scan: sidecar, participants table and header must agree."""

import json

from gcamccl import bids
from gcamccl.workflow.errors import InputError

PLAUSIBLE_TR_S = (0.1, 30.0)
TR_TOLERANCE = 0.01
UNITS_IN_S = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6, "unknown": 1.0}


def header_repetition_time(image):
    """Fourth pixel dimension of a NIfTI and its unit, as the header gives them: (value, unit name)."""
    # The header holds it in single precision: 2.2 is 2.20000005 there.
    return round(float(image.header.get_zooms()[3]), 6), image.header.get_xyzt_units()[1]


def sidecar_repetition_time(path):
    """``RepetitionTime`` of the most specific sidecar that has it: {sidecar: value}, empty where none has."""
    for sidecar in bids.sidecars(path):
        try:
            value = json.loads(sidecar.read_text(encoding="utf-8")).get("RepetitionTime")
        except (json.JSONDecodeError, UnicodeDecodeError, AttributeError) as error:
            raise InputError(sidecar, f"not a JSON object: {error}") from None
        if value is not None:
            return {sidecar: value}
    return {}


def resolve_repetition_time(path, header, table_s=None):
    """Repetition time from sidecar, participants table and header, in this order of trust.

    Parameters
    ----------
    path : str or Path
        The scan; its sidecars are looked for beside it and, by BIDS names, in the folders above (`bids.sidecars`).
    header : (float, str)
        As from `header_repetition_time`.
    table_s : float, optional

    Returns
    -------
    seconds : float
    warnings : list of str

    Raises
    ------
    InputError
        None of them has one, one is out of range, or they differ by more than 1 %.
    """
    found, warnings = sidecar_repetition_time(path), []
    if table_s is not None:
        found["participants table"] = table_s
    value, unit = header
    if unit not in UNITS_IN_S:
        raise InputError(path, f"the fourth axis is not time but in {unit}", "check which file this is")
    if value > 0:
        seconds = value * UNITS_IN_S[unit]
        if seconds > PLAUSIBLE_TR_S[1] and PLAUSIBLE_TR_S[0] <= seconds / 1000 <= PLAUSIBLE_TR_S[1]:
            warnings.append(
                f"repetition time {value:g} in the header is taken as milliseconds, though its unit says {unit}"
            )
            seconds /= 1000
        elif unit == "unknown" and not found:
            warnings.append(f"repetition time {value:g} in the header has no unit; taken as seconds")
        found[f"header of {path}"] = seconds
    if not found:
        names = ", ".join(sidecar.name for sidecar in bids.sidecars(path)) or bids.sidecar(path).name
        raise InputError(
            path, f"repetition time {value:g} in the header and none in {names}", "add RepetitionTime there"
        )
    for where, seconds in found.items():
        number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
        in_range = number and PLAUSIBLE_TR_S[0] <= seconds <= PLAUSIBLE_TR_S[1]
        if not in_range:
            raise InputError(
                where, f"repetition time {seconds!r} s is not between {PLAUSIBLE_TR_S[0]:g} and {PLAUSIBLE_TR_S[1]:g} s"
            )
    first, chosen = next(iter(found.items()))
    for where, seconds in found.items():
        if abs(seconds - chosen) > TR_TOLERANCE * chosen:
            raise InputError(
                path,
                f"repetition time is {chosen:g} s in {first} but {seconds:g} s in {where}",
                "correct the wrong one",
            )
    return float(chosen), warnings
