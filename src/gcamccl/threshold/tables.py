"""Tables of selected connections, SNPs and genes."""

import numpy as np
import pandas as pd

from gcamccl.threshold.rule import empty_tally, selected

CLASSES = ("low", "high")
# Maps whose sign says which way a feature speaks. Grad-CAM's is not among them: with Eq. 10 both its weights and the
# feature maps after a ReLU are positive.
SIGNED = ("guided_backprop", "guided_gradcam", "margin_gradient")
TESTS = ["frequency", "frequency_permuted", "selected", "sign", "t", "p", "q"]
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


def feature_table(tallies, method, t, p, q, min_frequency):
    """The `TESTS` columns, first all features for low, then all for high.

    Parameters
    ----------
    tallies : dict of (int, int) to Tally
        Of one method and view.
    method : str
        The map's name; decides where the sign comes from (`SIGNED`).
    t, p, q : ndarray of float64 (features,)
        Univariate test, high against low: the same for both classes.
    min_frequency : float

    Returns
    -------
    DataFrame
        ``class`` and `TESTS`. ``sign`` is 1 where a larger value speaks for the row's class, -1 where it speaks
        against it, 0 for neither: the sign of the class's mean map or, for maps without a sign, of t (negated for
        low). ``frequency_permuted``: pooled over all permutations, NaN without any.
    """
    parts = []
    for label, name in enumerate(CLASSES):
        true, permuted = true_and_permuted(tallies, label, len(t))
        pooled = sum(permuted, empty_tally(len(t)))
        by_t = np.sign(np.nan_to_num(t)).astype(int) * (1 if label else -1)
        parts.append(
            pd.DataFrame(
                {
                    "class": name,
                    "frequency": true.frequency,
                    "frequency_permuted": pooled.frequency,
                    "selected": selected(true.frequency, min_frequency),
                    "sign": true.sign if method in SIGNED else by_t,
                    "t": t,
                    "p": p,
                    "q": q,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


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
    """Rows selected by the rule or with a univariate q of at most `fdr_q`."""
    return table[table["selected"] | (table["q"] <= fdr_q)].reset_index(drop=True)


def selected_genes(snps, snp_gene, group):
    """Genes of the SNPs selected for a group.

    Parameters
    ----------
    snps : DataFrame
        From `snp_table`.
    snp_gene : DataFrame
        ``snp_gene.tsv`` of `eqtl_filter`: ``snp_id``, ``gene``; a SNP may have several genes.
    group : {"low", "high"}

    Returns
    -------
    list of str
        Sorted, each once.
    """
    chosen = snps.loc[(snps["class"] == group) & snps["selected"], "snp_id"]
    return sorted(set(snp_gene.loc[snp_gene["snp_id"].isin(chosen), "gene"].dropna()))


def summary_rows(tallies, method, view, n_features, min_frequency):
    """Rows of ``summary.tsv``: how much the rule selects, and how much it selects when the labels mean nothing.

    Returns
    -------
    list of dict
        One a class: ``method``, ``view``, ``class``, ``n_features``, ``n_selected``, ``n_selected_permuted`` (mean over
        the permutations, NaN without any), ``n_all_zero_maps``, ``n_maps``.
    """
    rows = []
    for label, name in enumerate(CLASSES):
        true, permuted = true_and_permuted(tallies, label, n_features)
        counts = [selected(one.frequency, min_frequency).sum() for one in permuted]
        rows.append(
            {
                "method": method,
                "view": view,
                "class": name,
                "n_features": n_features,
                "n_selected": int(selected(true.frequency, min_frequency).sum()),
                "n_selected_permuted": float(np.mean(counts)) if counts else np.nan,
                "n_all_zero_maps": true.n_all_zero,
                "n_maps": true.n_maps,
            }
        )
    return rows
