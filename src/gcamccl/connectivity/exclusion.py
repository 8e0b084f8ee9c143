"""Who is excluded by which limit."""

from gcamccl.workflow.errors import InputError

FEWEST_KEPT = 0.5  # excluding more people than this is a wrong limit, not bad scans


def reasons_to_exclude(facts, missing_share, residual_dof, settings):
    """Limits that a person breaks.

    Parameters
    ----------
    facts : dict
        Content of ``*_qc.json``. What is null there is not judged.
    missing_share : float
        Share of ROIs that are missing.
    residual_dof : int
    settings : dict
        Config section ``connectivity``.

    Returns
    -------
    list of (reason, value, limit)
        Reasons are the names of the settings.
    """
    values = {
        "max_translation_mm": facts["max_translation_mm"],
        "min_sfnr": facts[settings["sfnr_metric"]],
        "min_registration_dice": facts["registration_dice"],
        "min_t1w_gain": facts["t1w_gain"],
        "max_missing_rois": missing_share,
        "min_residual_dof": residual_dof,
    }
    return [
        (name, value, settings[name])
        for name, value in values.items()
        if value is not None and (value > settings[name] if name.startswith("max") else value < settings[name])
    ]


def require_enough_left(quality, excluded, settings):
    """Stop if the limits throw out more people than they keep: then a limit is wrong for these scans.

    Parameters
    ----------
    quality : DataFrame
        participant_id, n_volumes (missing: no scan), included.
    excluded : DataFrame
        participant_id, reason, value, limit.
    settings : dict
        Config section ``connectivity``.

    Raises
    ------
    InputError
        Names every limit with the number of people it excludes and their median.
    """
    scanned = quality["n_volumes"].notna()
    n_scanned, n_out = int(scanned.sum()), int((scanned & ~quality["included"].astype(bool)).sum())
    if not n_scanned:
        raise InputError("participants table", "nobody has a scan")
    if n_out <= FEWEST_KEPT * n_scanned:
        return
    found = excluded[excluded["reason"] != "no_scan"]
    parts = []
    for reason, rows in found.groupby("reason", sort=False):
        metric = f" ({settings['sfnr_metric']})" if reason == "min_sfnr" else ""
        middle = rows["value"].astype(float).median()
        parts.append(
            f"connectivity.{reason} {rows['limit'].iloc[0]:g}{metric}: {len(rows)} people, median {middle:.3g}"
        )
    raise InputError(
        "connectivity",
        f"{n_out} of {n_scanned} people with scans would be excluded by " + ", ".join(parts),
        "check that limit",
    )
