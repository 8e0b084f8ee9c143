"""Tables of selected connections, SNPs and genes."""

import numpy as np
import pandas as pd

from gcamccl.threshold.confirm import groups
from gcamccl.threshold.rule import empty_tally, selected

CLASSES = ("low", "high")
CONFIRMED = "confirmed"
GROUPS = (*CLASSES, CONFIRMED)  # of genes
# Maps whose sign says which way a feature speaks. Grad-CAM's is not among them: with Eq. 10 both its weights and the
# feature maps after a ReLU are positive.
SIGNED = ("guided_backprop", "guided_gradcam", "margin_gradient")
RULE = ["frequency", "frequency_permuted", "selected", "sign"]
CALIBRATED = ["selected_calibrated", "q_calibrated", "direction", "stability", "q_linear"]
UNIVARIATE = ["t", "p", "q"]
TESTS = [*RULE, *CALIBRATED, *UNIVARIATE]
EDGE_COLUMNS = ["class", "roi_a", "roi_b", "name_a", "name_b", "network_a", "network_b", *TESTS]
SNP_COLUMNS = ["class", "snp_id", "chrom", "pos", "genes", *TESTS]


def true_and_permuted(tallies, label, n_features):
    """The class's tally under the true labels, and its tallies under each permutation.

    Parameters
    ----------
    tallies : dict of (int, int) to Tally
        As from `gcamccl.threshold.maps.tallies`.
    label : int

    Returns
    -------
    true : Tally
    permuted : list of Tally
        One a permutation.
    """
    true = tallies.get((0, label), empty_tally(n_features))
    return true, [one for (row, one_label), one in sorted(tallies.items()) if row and one_label == label]


def feature_table(tallies, method, tests, settings, confirmations=None):
    """The `TESTS` columns, first all features for low, then all for high.

    Parameters
    ----------
    tallies : dict of (int, int) to Tally
        Of one method and view.
    method : str
        The map's name; decides where the sign comes from (`SIGNED`).
    tests : tuple of ndarray of float64 (features,)
        t, p, q of the univariate test, high against low: the same for both classes.
    settings : dict
        The config section ``threshold``.
    confirmations : dict of str to gcamccl.threshold.confirm.Confirmation, optional
        Nominator -> what the halves say; None: there are no halvings, or the network has not seen the view.

    Returns
    -------
    DataFrame
        ``class`` and `TESTS`. ``selected_calibrated``: q of at most ``fdr_q``, larger in the row's class;
        ``direction``: 1 larger in high, -1 in low, 0 never nominated; NaN without halvings. ``sign`` is 1 where a
        larger value speaks for the row's class, -1 where it speaks against it, 0 for neither: the sign of the class's
        mean map or, for maps without a sign, of t (negated for low). ``frequency_permuted``: mean over the
        permutations, NaN without any.
    """
    t, p, q = tests
    parts, nothing = [], np.full(len(t), np.nan)
    network, linear = ((confirmations or {}).get(name) for name in ("network", "linear"))
    for label, name in enumerate(CLASSES):
        true, permuted = true_and_permuted(tallies, label, len(t))
        others = [one.frequency(settings["rule_splits"]) for one in permuted if one.n_piles]
        frequency = true.frequency(settings["rule_splits"])
        by_t = np.sign(np.nan_to_num(t)).astype(int) * (1 if label else -1)
        parts.append(
            pd.DataFrame(
                {
                    "class": name,
                    "frequency": frequency,
                    "frequency_permuted": np.mean(others, axis=0) if others else nothing,
                    "selected": selected(frequency, settings["min_frequency"]),
                    "sign": true.sign if method in SIGNED else by_t,
                    "selected_calibrated": chosen(network, label, settings["fdr_q"], len(t)),
                    "q_calibrated": network.q if network else nothing,
                    "direction": network.direction if network else nothing,
                    "stability": network.stability if network else nothing,
                    "q_linear": linear.q if linear else nothing,
                    "t": t,
                    "p": p,
                    "q": q,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def chosen(confirmation, label, fdr_q, size):
    """Features that the halves confirm as larger in a class: bool (features,)."""
    if confirmation is None:
        return np.zeros(size, dtype=bool)
    return (confirmation.q <= fdr_q) & (confirmation.direction == (1 if label else -1))


def edge_table(features, rois):
    """Name the ROIs of each connection.

    Parameters
    ----------
    features : DataFrame
        From `feature_table`, connections in the order of ``numpy.triu_indices(R, 1)``.
    rois : DataFrame
        ``rois.tsv``: ``roi`` (1-based), ``network``, ``name``; R rows.

    Returns
    -------
    DataFrame
        Columns `EDGE_COLUMNS`, 2 E rows.
    """
    table = features.copy()
    for end, index in zip("ab", np.triu_indices(len(rois), 1), strict=True):
        both = np.tile(index, len(CLASSES))
        for column in ("roi", "name", "network"):
            table[f"{column}_{end}"] = rois[column].to_numpy()[both]
    return table[EDGE_COLUMNS]


def snp_table(features, snps):
    """Name the SNPs: columns `SNP_COLUMNS`, 2 L rows; `snps` is the loci's ``snps.tsv``."""
    table = features.copy()
    for column in ("snp_id", "chrom", "pos", "genes"):
        table[column] = np.tile(snps[column].to_numpy(), len(CLASSES))
    return table[SNP_COLUMNS]


def worth_showing(table, fdr_q):
    """Rows selected by the rule or by the calibrated selection, or with a univariate q of at most `fdr_q`."""
    return table[table["selected"] | table["selected_calibrated"] | (table["q"] <= fdr_q)].reset_index(drop=True)


def selected_loci(snps, group):
    """SNPs of a group: by the paper's rule for a class, or confirmed as larger in either.

    Parameters
    ----------
    snps : DataFrame
        From `snp_table`.
    group : {"low", "high", "confirmed"}

    Returns
    -------
    list of str
        Ids in the table's order, each once.
    """
    if group == CONFIRMED:
        chosen = snps.loc[snps["selected_calibrated"], "snp_id"]
    else:
        chosen = snps.loc[(snps["class"] == group) & snps["selected"], "snp_id"]
    return list(dict.fromkeys(chosen))


def genes_of(loci, snp_gene):
    """Genes of SNPs: list of str, sorted, each once.

    `snp_gene` is `eqtl_filter`'s ``snp_gene.tsv``: ``snp_id``, ``gene``; a SNP may have several genes.
    """
    return sorted(set(snp_gene.loc[snp_gene["snp_id"].isin(loci), "gene"].dropna()))


def summary_rows(tallies, method, view, n_features, settings):
    """Rows of ``summary.tsv``: how much the rule selects, and how much it selects when the labels mean nothing.

    `settings` is the config section ``threshold``.

    Returns
    -------
    list of dict
        One a class: ``method``, ``view``, ``class``, ``n_features``, ``n_selected``, ``n_selected_permuted`` (mean over
        the permutations, NaN without any), ``n_all_zero_maps``, ``n_maps``, ``p_any`` (NaN, see `calibrated_rows`).
    """

    def n_selected(one):
        return int(selected(one.frequency(settings["rule_splits"]), settings["min_frequency"]).sum())

    rows = []
    for label, name in enumerate(CLASSES):
        true, permuted = true_and_permuted(tallies, label, n_features)
        counts = [n_selected(one) for one in permuted]
        rows.append(
            {
                "method": method,
                "view": view,
                "class": name,
                "n_features": n_features,
                "n_selected": n_selected(true),
                "n_selected_permuted": float(np.mean(counts)) if counts else np.nan,
                "n_all_zero_maps": true.n_all_zero,
                "n_maps": true.n_maps,
                "p_any": np.nan,
            }
        )
    return rows


def calibrated_rows(true, permuted, nominator, view, fdr_q, halves):
    """Rows of ``summary.tsv`` of the calibrated selection.

    Parameters
    ----------
    true : gcamccl.threshold.confirm.Confirmation
    permuted : list of Confirmation
        One a label permutation.
    nominator, view : str
    fdr_q : float
    halves : int

    Returns
    -------
    list of dict
        As `summary_rows`; ``method``: ``calibrated`` or, where a linear model nominates, ``calibrated_linear``;
        ``n_maps``: halves; ``p_any``: that anything differs, in any view.
    """
    size = len(true.p)
    return [
        {
            "method": "calibrated" if nominator == "network" else f"calibrated_{nominator}",
            "view": view,
            "class": name,
            "n_features": size,
            "n_selected": int(chosen(true, label, fdr_q, size).sum()),
            "n_selected_permuted": (
                float(np.mean([chosen(one, label, fdr_q, size).sum() for one in permuted])) if permuted else np.nan
            ),
            "n_all_zero_maps": 0,
            "n_maps": halves,
            "p_any": true.p_any,
        }
        for label, name in enumerate(CLASSES)
    ]


def network_pairs(confirmation, rois, fdr_q):
    """Pairs of networks: do their connections, taken together, differ between the groups?

    Parameters
    ----------
    confirmation : gcamccl.threshold.confirm.Confirmation
        Of the connections, in the order of ``numpy.triu_indices(R, 1)``.
    rois : DataFrame
    fdr_q : float

    Returns
    -------
    DataFrame
        ``network_a``, ``network_b``, ``n_edges``, ``n_high``, ``n_low`` (selected connections, larger in that group),
        ``p``, ``q``; smallest p first.
    """
    network = rois["network"].to_numpy(dtype=str)
    a, b = (network[index] for index in np.triu_indices(len(rois), 1))
    names = np.stack([np.where(a <= b, a, b), np.where(a <= b, b, a)])
    pairs, group = np.unique(names, axis=1, return_inverse=True)
    table = pd.DataFrame({"network_a": pairs[0], "network_b": pairs[1]})
    return _group_table(table, confirmation, group.ravel(), fdr_q, "n_edges")


def ld_blocks(confirmation, snps, block, fdr_q):
    """LD blocks: do their SNPs, taken together, differ between the groups?

    Parameters
    ----------
    confirmation : gcamccl.threshold.confirm.Confirmation
    snps : DataFrame
        ``snp_id``, ``chrom``, ``pos``.
    block : ndarray of int (snps,)
        As `gcamccl.threshold.calibrated.ld_blocks` returns it.
    fdr_q : float

    Returns
    -------
    DataFrame
        ``chrom``, ``first``, ``last`` (positions), ``lead`` (the SNP with the smallest p), ``n_snps``, ``n_high``,
        ``n_low``, ``p``, ``q``; smallest p first.
    """
    rows = snps.assign(block=block, p=confirmation.p)
    lead = rows.loc[rows.fillna({"p": 1.0}).groupby("block")["p"].idxmin()]
    places = rows.groupby("block")["pos"]
    table = pd.DataFrame(
        {
            "chrom": lead["chrom"].to_numpy(),
            "first": places.min().to_numpy(),
            "last": places.max().to_numpy(),
            "lead": lead["snp_id"].to_numpy(),
        }
    )
    return _group_table(table, confirmation, block, fdr_q, "n_snps")


def _group_table(table, confirmation, group, fdr_q, size):
    """Columns about groups of features, smallest p first."""
    p, q = groups(confirmation, group)
    table[size] = np.bincount(group, minlength=len(p))
    for label, name in ((1, "high"), (0, "low")):
        table[f"n_{name}"] = np.bincount(group[chosen(confirmation, label, fdr_q, len(group))], minlength=len(p))
    return table.assign(p=p, q=q).sort_values("p", kind="stable", ignore_index=True)
