"""Ancestry: independent SNPs, principal components of unrelated people with the others projected, groups."""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from gcamccl.genotype_qc import bed
from gcamccl.genotype_qc.plink import FEW_PEOPLE, ToolError, list_people, plink, plink2

# Regions of long-range linkage disequilibrium (centromeres, inversions as of 8p23, HLA, LCT), whose SNPs would make
# components of their own: chromosome, start, end in Mb, GRCh37 (Price et al. 2008, Weale 2010, as listed by the
# University of Michigan's Genome Analysis Wiki, Regions of high linkage disequilibrium).
LONG_RANGE_LD_MB = (
    *((1, 48, 52), (2, 86, 100.5), (2, 134.5, 138), (2, 183, 190), (3, 47.5, 50), (3, 83.5, 87), (3, 89, 97.5)),
    *((5, 44.5, 50.5), (5, 98, 100.5), (5, 129, 132), (5, 135.5, 138.5), (6, 25, 35), (6, 57, 64), (6, 140, 142.5)),
    *((7, 55, 66), (8, 7, 13), (8, 43, 50), (8, 112, 115), (10, 37, 43), (11, 46, 57), (11, 87.5, 90.5)),
    *((12, 33, 40), (12, 109.5, 112), (20, 32, 34.5)),
)
COMMON = 0.05  # minor allele frequency: rarer SNPs say little and cluster by error
WINDOW_SNPS, STEP_SNPS = 50, 5  # of pruning, as PLINK's manual shows it
MANY_PEOPLE = 5000  # above it PLINK 2's randomised --pca (Galinsky et al. 2016): the exact one needs people x people
GROUP_COMPONENTS = 3  # enough to tell continental ancestries
MAX_GROUPS = 6
# A component is ancestry, not noise, if its eigenvalue exceeds the mean of all others by OUTSTANDING times what the
# REFERENCE-th does: eigenvalues of noise lie close together at the edge of their distribution.
REFERENCE, OUTSTANDING = 10, 2.0
SURE = 0.8  # posterior probability of a person's group
MIN_SNPS = 20  # independent: with fewer there is nothing to see


def common_snps(settings):
    """PLINK options that choose SNPs to look at people with."""
    return ["--geno", settings["max_snp_missing"], "--maf", COMMON]


def independent_snps(prefix, settings, scratch):
    """Common SNPs outside `LONG_RANGE_LD_MB`, pruned for linkage disequilibrium (PLINK 2 ``--indep-pairwise``).

    Parameters
    ----------
    prefix : str or Path
    settings : dict
        Config section ``genotype_qc``.
    scratch : Path
        Prefix of the resulting fileset.

    Returns
    -------
    int
        Their number; 0: none, and no fileset is written.
    """
    regions = Path(f"{scratch}.regions")
    mega = [(chrom, round(start * 1e6), round(end * 1e6)) for chrom, start, end in LONG_RANGE_LD_MB]
    regions.write_text("".join(f"{chrom}\t{start}\t{end}\n" for chrom, start, end in mega), encoding="utf-8")
    out = ["--exclude", "bed1", regions, *common_snps(settings), "--out", scratch]
    try:
        plink2("--bfile", prefix, "--indep-pairwise", WINDOW_SNPS, STEP_SNPS, settings["structure_r2"], *out)
    except ToolError as error:
        if "No variants remaining" in str(error):
            return 0
        raise
    kept = Path(f"{scratch}.prune.in")
    if not kept.exists():  # PLINK 2 writes none for a single SNP
        return 0
    number = sum(1 for _ in kept.open(encoding="utf-8"))
    if number:
        plink2("--bfile", prefix, "--extract", kept, "--make-bed", "--out", scratch)
    return number


def components(prefix, n_snps, fit, number, scratch):
    """Principal components of the people in `fit` (PLINK ``--pca``), the others projected (PLINK 2 ``--score``).

    Relatives would make components of their own, so they are projected: PLINK's SNP weights are scored for everybody
    and brought to the scale of the eigenvectors by least squares over the people in `fit`, whose own eigenvectors are
    what is returned for them. With more SNPs than people, projections shrink towards 0, a component of eigenvalue d by
    (d - e) / d, where e is what noise alone would give, the mean of the eigenvalues that are no components (Lee, Zou
    and Wright 2010, in the limit of many more SNPs than people). Projections on components that are more than noise
    are divided by that.

    Parameters
    ----------
    prefix : str or Path
        Fileset of independent SNPs.
    n_snps : int
        Their number.
    fit : set of str
        Genotype ids.
    number : int
        Components asked for.
    scratch : Path
        Prefix of intermediate files.

    Returns
    -------
    table : DataFrame
        genotype_id, fitted (bool; False: projected), pc1 ... pc<number>; NaN for components that so few people cannot
        have.
    eigenvalues : DataFrame
        component, eigenvalue, variance_share (of the trace of the relationship matrix), stands_out (more than noise).
    notes : list of str
    """
    fam = bed.read_fam(prefix) if n_snps else None
    names = [f"pc{component}" for component in range(1, number + 1)]
    n_fit = len(fit)
    possible = min(number, n_fit - 1, n_snps)
    empty = pd.DataFrame({"component": names, "eigenvalue": np.nan, "variance_share": np.nan})
    empty["stands_out"] = False
    if possible < 1 or n_snps < MIN_SNPS:
        why = f"{n_fit} unrelated people and {n_snps} independent SNPs are too few for ancestry components"
        return None, empty, [why]
    table = pd.DataFrame(np.nan, index=range(len(fam)), columns=names)
    table.insert(0, "genotype_id", fam["iid"])
    table.insert(1, "fitted", fam["iid"].isin(fit))
    list_people(f"{scratch}.fit", [name for name in fam["iid"] if name in fit])
    own = ["--bfile", prefix, "--keep", f"{scratch}.fit", "--mac", 1]
    computed = min(max(number, REFERENCE), n_fit - 1, n_snps)
    if n_fit > MANY_PEOPLE:
        plink2(*own, "--pca", computed, "approx", "allele-wts", "--out", scratch)
    else:
        plink(*own, "--pca", computed, "header", "tabs", "var-wts", "--out", scratch)
    vectors = pd.read_csv(f"{scratch}.eigenvec", sep="\t", dtype=str).rename(columns={"#IID": "IID"}).set_index("IID")
    rows = table["fitted"].to_numpy()
    wanted = [f"PC{component}" for component in range(1, possible + 1)]
    vectors = vectors.loc[table.loc[rows, "genotype_id"], wanted].to_numpy(float)
    table.loc[rows, names[:possible]] = vectors
    plink2(*own, "--freq", "--geno-counts", "cols=homref,refalt,homalt1", "--out", scratch)
    values = np.loadtxt(f"{scratch}.eigenval", ndmin=1)
    trace = _trace(f"{scratch}.gcount")
    if not rows.all():
        scores = _scores(prefix, possible, scratch, n_fit > MANY_PEOPLE).loc[fam["iid"]].to_numpy()
        scale = (scores[rows] * vectors).sum(axis=0) / (scores[rows] ** 2).sum(axis=0)
        table.loc[~rows, names[:possible]] = scores[~rows] * scale / shrinkage(values, trace, n_fit)[:possible]
    found = empty.copy()
    found.loc[: possible - 1, "eigenvalue"] = values[:possible]
    found.loc[: possible - 1, "variance_share"] = values[:possible] / trace
    found.loc[: possible - 1, "stands_out"] = stands_out(values, trace, n_fit)[:possible]
    notes = []
    if n_fit < FEW_PEOPLE:
        notes.append(f"ancestry components come from {n_fit} unrelated people only")
    if possible < number:
        notes.append(f"only {possible} of {number} ancestry components exist")
    return table, found, notes


def noise_level(values, trace, n_fit):
    """Mean of the eigenvalues that are not among `values`; NaN if there are none.

    Parameters
    ----------
    values : ndarray of float (k,)
        The largest eigenvalues.
    trace : float
        Of the relationship matrix: the sum of all its eigenvalues.
    n_fit : int
        People it is of; centred genotypes have one component fewer.
    """
    others = n_fit - 1 - len(values)
    return (trace - values.sum()) / others if others > 0 else np.nan


def stands_out(values, trace, n_fit):
    """Which leading components are more than noise, see `OUTSTANDING`; bool (k,). Parameters as of `noise_level`."""
    excess = values - noise_level(values, trace, n_fit)
    if len(values) < REFERENCE or np.isnan(excess).any():
        return np.zeros(len(values), bool)
    return np.logical_and.accumulate(excess > OUTSTANDING * max(excess[-1], 0))


def shrinkage(values, trace, n_fit):
    """By how much projections shrink, (k,) in (0, 1]; 1 for components of noise. Parameters as of `noise_level`."""
    factor = (values - noise_level(values, trace, n_fit)) / values
    return np.where(stands_out(values, trace, n_fit), factor, 1.0)


def _scores(prefix, number, scratch, by_plink2):
    """Everybody's mean score over their calls by PLINK's SNP weights, up to a factor; DataFrame by genotype id."""
    # PLINK 1.9: CHR, VAR, A1, A2, PC1 ...; PLINK 2: #CHROM, ID, REF, ALT, A1, PC1 ...; the weight is A1's.
    weights, allele = (f"{scratch}.eigenvec.allele", 5) if by_plink2 else (f"{scratch}.eigenvec.var", 3)
    first = 6 if by_plink2 else 5
    plink2(
        "--bfile", prefix, "--read-freq", f"{scratch}.afreq",
        "--score", weights, 2, allele, "header", "variance-standardize", "no-mean-imputation",
        "cols=scoreavgs",
        "--score-col-nums", f"{first}-{first + number - 1}", "--out", scratch,
    )  # fmt: skip
    return pd.read_csv(f"{scratch}.sscore", sep="\t", dtype={"#IID": str}).set_index("#IID")


def _trace(path):
    """Trace of the variance-standardised relationship matrix, from genotype counts of each SNP."""
    counts = pd.read_csv(path, sep="\t").iloc[:, -3:].to_numpy(float)
    n = counts.sum(axis=1)
    p = (counts[:, 1] + 2 * counts[:, 2]) / (2 * n)
    varies = (p > 0) & (p < 1)  # PLINK counts before it filters
    counts, n, p = counts[varies], n[varies], p[varies]
    spread = (counts * (np.arange(3) - 2 * p[:, None]) ** 2).sum(axis=1) / n
    return float(np.mean(spread / (2 * p * (1 - p))) * n.max())


def groups(table, eigenvalues, min_people):
    """Ancestry groups: a Gaussian mixture on the first components that are more than noise, of the people in the fit.

    The number of groups, 1 to `MAX_GROUPS`, minimises the integrated completed likelihood criterion (BIC plus twice
    the entropy of the memberships; Biernacki et al. 2000): groups that overlap are not told apart. Names go by size:
    group1 is the largest. Nothing is said about whose ancestry it is.

    Parameters
    ----------
    table, eigenvalues : DataFrame
        From `components`.
    min_people : int
        A smaller group is none: its people are in no group.

    Returns
    -------
    groups : Series
        Indexed by genotype_id: ``group1`` ..., None where a person is in none (small group, a posterior probability
        below `SURE`, or no call to be projected by).
    notes : list of str
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    names = list(eigenvalues.loc[eigenvalues["stands_out"], "component"])[:GROUP_COMPONENTS]
    fitted = table["fitted"].to_numpy()
    result = pd.Series("group1", index=pd.Index(table["genotype_id"], name="genotype_id"), dtype=object)
    if fitted.sum() < max(2 * min_people, FEW_PEOPLE):
        return result, [f"{int(fitted.sum())} unrelated people are too few to look for ancestry groups: all are one"]
    if not names:
        return result, ["no ancestry component stands out from noise: all people are one group"]
    values = table[names].to_numpy(float)
    values = values / values[fitted].std(axis=0)
    models, criteria = [], []
    for number in range(1, min(MAX_GROUPS, fitted.sum() // min_people) + 1):
        model = GaussianMixture(number, n_init=3, random_state=1, reg_covar=1e-4)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the best start counts, whether it has settled or not
            model.fit(values[fitted])
        share = model.predict_proba(values[fitted])
        entropy = -(share * np.log(np.maximum(share, 1e-300))).sum()
        models.append(model)
        criteria.append(model.bic(values[fitted]) + 2 * entropy)
    model = models[int(np.argmin(criteria))]
    placed = np.isfinite(values).all(axis=1)  # a failed sample without any call is nowhere
    share = model.predict_proba(values[placed])
    label = np.full(len(values), -1)
    label[placed] = np.where(share.max(axis=1) >= SURE, share.argmax(axis=1), -1)
    sizes = pd.Series(label[label >= 0]).value_counts()
    large = sizes[sizes >= min_people].index
    named = {label: f"group{place}" for place, label in enumerate(large, start=1)}
    result[:] = [named.get(value) for value in label]
    outside = int(result.isna().sum())
    return result, [f"people in no ancestry group of at least {min_people}: {outside}"] if outside else []
