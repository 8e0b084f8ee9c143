"""People's scans: who has one, by which route it came, what motion left in the connections; warnings about them."""

import numpy as np

EXCLUDED_SHARE = 0.25
LOW_T1W_GAIN = 0.025  # nats; the limit of preprocess' own warning
# Median |r| over what it is without any influence of motion. Simulated studies without any, whose connections share one
# factor that explains a fifth of their variance over people, exceed 1.4 in about 5 % or fewer (12, 50, 200 people).
QC_FC_RATIO = 1.4
FEW_DOF = 30  # below it the standard error of a z-transformed correlation, 1 / sqrt(dof - 2), is above 0.19
SCRUBBED_SHARE = 0.5
UNKNOWN = ("motion", "global signal", "framewise displacement")  # as the column regressors names them
MOST_NAMED = 8


def with_scans(quality, excluded):
    """Rows of `quality` of the people who have a scan.

    Parameters
    ----------
    quality : DataFrame
        ``connectivity/group_bold_qc.tsv``.
    excluded : DataFrame
        ``connectivity/excluded.tsv``.

    Returns
    -------
    DataFrame
    """
    absent = excluded.loc[excluded["reason"] == "no_scan", "participant_id"]
    return quality[~quality["participant_id"].isin(absent)]


def tables(results):
    """Quality of the people with scans, and of those of them who are kept.

    Parameters
    ----------
    results : gcamccl.report.collect.Results

    Returns
    -------
    scanned, kept : DataFrame
    """
    scanned = with_scans(results.tables["connectivity/group_bold_qc"], results.tables["connectivity/excluded"])
    return scanned, scanned[scanned["included"]]


def without_t1w(quality):
    """Whether each person's raw scan was registered without a T1w: bool Series."""
    return (quality["route"] == "raw") & quality["t1w_gain"].isna()


def routes(quality):
    """How many people's scans came by each route.

    Returns
    -------
    dict of str to int
        ``t1w`` (raw, registered through the T1w), ``epi`` (raw, without a T1w), ``fmriprep``, ``timeseries``; in this
        order, those of nobody left out.
    """
    route = quality["route"].astype(object).where(quality["route"] != "raw", "t1w").mask(without_t1w(quality), "epi")
    counts = route.value_counts()
    return {name: int(counts[name]) for name in ("t1w", "epi", "fmriprep", "timeseries") if name in counts}


def where_pages_are(results):
    """Sentences on what `preprocess` leaves for people to look at: where its pages of pictures are; none without it."""
    if not results.has("connectivity"):
        return []
    counts = routes(tables(results)[0])
    n_pages = sum(count for route, count in counts.items() if route != "timeseries")
    if not n_pages:
        return ["Nobody has a page of pictures: all ROI time series were made elsewhere."]
    keys = sorted({str(record["key"]) for record in results.records["preprocess"] if record.get("key")})
    folder = f"results/preprocess/{keys[0]}" if len(keys) == 1 else "the folder of this stage"
    return [
        f"{n_pages:,} people have a page of pictures of their scan: <id>/<scan>/*_qc.png in {folder}. Look at those "
        "near the limits and those with warnings (table of scan quality, section connectivity)."
    ]


def qc_fc_sentence(summary, n_kept):
    """QC-FC in one sentence.

    Parameters
    ----------
    summary : DataFrame
        ``connectivity/qc_fc.tsv``, one row.
    n_kept : int
        People kept.

    Returns
    -------
    str
    """
    row = summary.iloc[0]
    if np.isnan(row["median_abs_r"]):
        return f"QC-FC was not computed: {row['reason']}."
    return (
        f"Over the {int(row['n_people']):,} of {n_kept:,} people kept whose motion is known, the median |r| of "
        f"connections with mean framewise displacement is {row['median_abs_r']:.3f}; without any influence of motion "
        f"it would be {row['median_abs_r_by_chance']:.3f}; {row['share_p_below_0_05']:.1%} have p < 0.05, uncorrected."
    )


def moved(summary):
    """Whether motion is in the connections: median |r| at least `QC_FC_RATIO` times what it is without influence."""
    row = summary.iloc[0]
    return bool(row["median_abs_r"] >= QC_FC_RATIO * row["median_abs_r_by_chance"])


def warnings(results):
    """Warnings about scans and their cleaning.

    Parameters
    ----------
    results : gcamccl.report.collect.Results

    Returns
    -------
    list of str
    """
    scanned, kept = tables(results)
    return [
        *_many_excluded(len(scanned), len(scanned) - len(kept)),
        *_not_removed(kept),
        *_without_t1w(kept, results.settings("preprocess")),
        *_doubtful_t1w(kept),
        *_little_left(kept),
        *_motion_left(results.tables["connectivity/qc_fc"]),
    ]


def _many_excluded(total, excluded):
    if total and excluded / total > EXCLUDED_SHARE:
        yield (
            f"{excluded} of {total} people with scans ({excluded / total:.0%}) were excluded: who is left "
            "may differ from who was asked. See the table of reasons: is a limit meant for another metric?"
        )


def _not_removed(kept):
    unknown = kept["regressors"].astype(str).str.partition(":")[2]
    counts = {what: int(unknown.str.contains(what).sum()) for what in UNKNOWN}
    parts = [f"{what} of {count:,}" for what, count in counts.items() if count]
    if parts:
        yield (
            f"Asked to be removed, but unknown: {', '.join(parts)}, out of {len(kept):,} people kept. Their "
            "connectivity is not cleaned of it. Give their table of confounds (column confounds), or leave them out; "
            "at least see that both groups have as many of them."
        )


def _without_t1w(kept, settings):
    count, raw = int(without_t1w(kept).sum()), int((kept["route"] == "raw").sum())
    if not count:
        return
    advice = "add their T1w (column t1w) if there is one"
    if str(settings.get("registration", "t1w_syn")).startswith("epi"):
        advice = "or set preprocess.registration to t1w_syn"
    yield (
        f"{count:,} of {raw:,} people kept with raw scans were registered without a T1w, which is less accurate. Look "
        f"at the registration on their pages (*_qc.png), {advice}."
    )


def _doubtful_t1w(kept):
    doubtful = kept[kept["t1w_gain"] < LOW_T1W_GAIN]
    if doubtful.empty:
        return
    named = [f"{row.participant_id} ({row.t1w_gain:.3f})" for row in doubtful.head(MOST_NAMED).itertuples()]
    more = f" and {len(doubtful) - MOST_NAMED} more" if len(doubtful) > MOST_NAMED else ""
    yield (
        f"The T1w hardly helps the registration of {len(doubtful):,} people kept (t1w_gain below {LOW_T1W_GAIN:g} "
        f"nats): {', '.join(named)}{more}. Is it the same person's? Look at their pages (*_qc.png); a higher "
        "connectivity.min_t1w_gain excludes them."
    )


def _little_left(kept):
    few = kept[kept["residual_dof"].astype(float) < FEW_DOF]
    scrubbed = kept["n_scrubbed"].astype(float) > SCRUBBED_SHARE * kept["n_volumes"].astype(float)
    parts = []
    if len(few):
        lowest = few["residual_dof"].astype(int).min()
        parts.append(f"{len(few):,} keep fewer than {FEW_DOF} degrees of freedom after cleaning (fewest: {lowest})")
    if scrubbed.any():
        parts.append(f"{int(scrubbed.sum()):,} lost more than {SCRUBBED_SHARE:.0%} of their volumes to scrubbing")
    if parts:
        yield (
            f"Of {len(kept):,} people kept, {' and '.join(parts)}: their correlations are mostly noise. Raise "
            "connectivity.min_residual_dof, or remove less."
        )


def _motion_left(summary):
    if not moved(summary):
        return
    row = summary.iloc[0]
    yield (
        f"Motion is still in the connectivity: median |r| with mean framewise displacement is "
        f"{row['median_abs_r']:.3f} over {int(row['n_people']):,} people, {QC_FC_RATIO:g} times or more what it would "
        f"be without any influence ({row['median_abs_r_by_chance']:.3f}). Remove more (24 motion parameters, global "
        "signal, scrubbing), exclude who moved, and see in section cohort whether the groups differ in motion."
    )
