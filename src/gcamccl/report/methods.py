"""The paragraphs on methods: what was done to scans and genotypes, for every setting, with references."""

from pathlib import Path

from gcamccl.atlas import is_image
from gcamccl.report import scans

GENETIC_REFERENCES = {
    "Biernacki et al. 2000": "Biernacki C, Celeux G, Govaert G. Assessing a mixture model for clustering with the "
    "integrated completed likelihood. IEEE Trans Pattern Anal Mach Intell 22 (2000) 719-725.",
    "Chang et al. 2015": "Chang CC, Chow CC, Tellier LCAM, Vattikuti S, Purcell SM, Lee JJ. Second-generation PLINK: "
    "rising to the challenge of larger and richer datasets. GigaScience 4 (2015) 7.",
    "Lee et al. 2010": "Lee S, Zou F, Wright FA. Convergence and prediction of principal component scores in "
    "high-dimensional settings. Ann Stat 38 (2010) 3605-3629.",
    "Manichaikul et al. 2010": "Manichaikul A et al. Robust relationship inference in genome-wide association studies. "
    "Bioinformatics 26 (2010) 2867-2873.",
    "Price et al. 2008": "Price AL et al. Long-range LD can confound genome scans in admixed populations. Am J Hum "
    "Genet 83 (2008) 132-135.",
    "Wigginton et al. 2005": "Wigginton JE, Cutler DJ, Abecasis GR. A note on exact tests of Hardy-Weinberg "
    "equilibrium. Am J Hum Genet 76 (2005) 887-893.",
}
REFERENCES = {
    "Avants et al. 2008": "Avants BB, Epstein CL, Grossman M, Gee JC. Symmetric diffeomorphic image registration with "
    "cross-correlation. Med Image Anal 12 (2008) 26-41.",
    "Avants et al. 2011": "Avants BB, Tustison NJ, Song G, Cook PA, Klein A, Gee JC. A reproducible evaluation of ANTs "
    "similarity metric performance in brain image registration. NeuroImage 54 (2011) 2033-2044.",
    "Ciric et al. 2017": "Ciric R et al. Benchmarking of participant-level confound regression strategies for the "
    "control of motion artifact in studies of functional connectivity. NeuroImage 154 (2017) 174-187.",
    "Esteban et al. 2019": "Esteban O et al. fMRIPrep: a robust preprocessing pipeline for functional MRI. Nat Methods "
    "16 (2019) 111-116.",
    "Friedman and Glover 2006": "Friedman L, Glover GH. Report on a multicenter fMRI quality assurance protocol. "
    "J Magn Reson Imaging 23 (2006) 827-839.",
    "Friston et al. 1996": "Friston KJ, Williams S, Howard R, Frackowiak RSJ, Turner R. Movement-related effects in "
    "fMRI time-series. Magn Reson Med 35 (1996) 346-355.",
    "Glover 1999": "Glover GH. Deconvolution of impulse response in event-related BOLD fMRI. NeuroImage 9 (1999) "
    "416-429.",
    "Lindquist et al. 2019": "Lindquist MA, Geuter S, Wager TD, Caffo BS. Modular preprocessing pipelines can "
    "reintroduce artifacts into fMRI data. Hum Brain Mapp 40 (2019) 2358-2376.",
    "Power et al. 2011": "Power JD et al. Functional network organization of the human brain. Neuron 72 (2011) "
    "665-678.",
    "Power et al. 2012": "Power JD, Barnes KA, Snyder AZ, Schlaggar BL, Petersen SE. Spurious but systematic "
    "correlations in functional connectivity MRI networks arise from subject motion. NeuroImage 59 (2012) 2142-2154.",
    "Satterthwaite et al. 2012": "Satterthwaite TD et al. Impact of in-scanner head motion on multiple measures of "
    "functional connectivity: relevance for studies of neurodevelopment in youth. NeuroImage 60 (2012) 623-632.",
    "Satterthwaite et al. 2013": "Satterthwaite TD et al. An improved framework for confound regression and filtering "
    "for control of motion artifact in the preprocessing of resting-state functional connectivity data. NeuroImage 64 "
    "(2013) 240-256.",
}
EPI = {
    "epi_syn": "registered straight to an EPI-contrast MNI152 template (affine, then a strongly regularised SyN)",
    "epi_affine": "registered straight to an EPI-contrast MNI152 template (affine)",
}
METRICS = {
    "sfnr_global": "of the whole-brain mean",
    "sfnr_roi_median": "of the ROIs' means (median)",
    "sfnr_voxel_median": "of the brain's voxels (median)",
}
RESPONSES = {
    "glover": "the expected response to each type of trial (Glover 1999)",
    "glover_derivative": "the expected response to each type of trial (Glover 1999) and its time derivative",
}


def imaging(results):
    """What was done to the scans.

    Parameters
    ----------
    results : gcamccl.report.collect.Results

    Returns
    -------
    text : str
        One paragraph; empty for a study without scans.
    references : list of str
        Of the works that it names, in alphabetical order.
    """
    if not results.has("connectivity"):
        return "", []
    before, after = results.settings("preprocess"), results.settings("connectivity")
    quality = results.tables["connectivity/group_bold_qc"]
    scanned, kept = scans.tables(results)
    sentences = list(_routes(len(quality), scans.routes(scanned)))
    if before:
        sentences += _preprocess(before, scans.routes(scanned), len(results.tables["connectivity/rois"]))
    if after:
        sentences += [*_cleaning(after, kept), *_exclusions(after)]
    known = int(kept["mean_fd_mm"].notna().sum())
    sentences.append(
        f"What motion left in the connections was judged by their correlation with mean framewise displacement over "
        f"the {known:,} people kept whose motion is known (QC-FC: Satterthwaite et al. 2012, Ciric et al. 2017)."
    )
    text = " ".join(sentences)
    return text, [reference for name, reference in REFERENCES.items() if name in text]


def _routes(n_people, counts):
    """How many people's scans came how."""
    words = {
        "t1w": "raw BOLD with a T1w",
        "epi": "raw BOLD registered without a T1w",
        "fmriprep": "BOLD preprocessed by fMRIPrep (Esteban et al. 2019)",
        "timeseries": "ROI time series made elsewhere",
    }
    parts = [f"{words[name]} {count:,}" for name, count in counts.items()]
    absent = n_people - sum(counts.values())
    yield f"Scans, by number of people: {', '.join([*parts, *([f'none {absent:,}'] if absent else [])])}."


def _preprocess(settings, counts, n_rois):
    """Motion correction, registration, sampling."""
    if "t1w" in counts or "epi" in counts:
        yield (
            "Raw scans were realigned by rigid least squares, to the first volume and then to the mean of the "
            "realigned volumes; no slice-timing or distortion correction."
        )
        yield f"With ANTs (Avants et al. 2008, Avants et al. 2011), {'; '.join(_registration(settings, counts))}."
    atlas = settings["atlas"]
    if is_image(atlas):
        regions = f"the {n_rois} regions of the label image {Path(atlas).name}"
    else:
        place = "of Power et al. 2011" if atlas == "power264" else f"of {Path(atlas).name}"
        regions = f"{n_rois} ROIs, balls of {settings['sphere_radius_mm']:g} mm around the coordinates {place}"
    if {"t1w", "epi", "fmriprep"} & set(counts):
        width = settings["smoothing_fwhm_mm"]
        smoothed = f"after Gaussian smoothing of {width:g} mm (full width at half maximum)" if width else "unsmoothed"
        yield f"ROI time series are means over {regions}, {smoothed}."
    if "t1w" in counts or "epi" in counts:
        yield (
            "The points of each ROI were carried from MNI152 to the raw scan and every volume was sampled there, so no "
            "raw scan was resampled to a template."
        )
    if "timeseries" in counts:
        begin = "ROI time series made elsewhere" if len(counts) > 1 else f"The ROI time series ({n_rois} ROIs)"
        yield f"{begin} were used as given, neither smoothed nor registered here."


def _registration(settings, counts):
    """How each kind of raw scan was registered."""
    if "t1w" in counts:
        yield (
            "mean BOLD was registered to the T1w (rigid) and the T1w's brain to MNI152 (affine, then SyN) on a grid of "
            f"{settings['registration_resolution_mm']} mm"
        )
    if "epi" in counts:
        kinds = {"without a T1w": settings["registration_without_t1w"]}
        if settings["registration"] in EPI:  # then nobody's T1w was used
            kinds = {"of people with a T1w": settings["registration"]} | kinds
        if len(set(kinds.values())) == 1:
            who = "mean BOLD" if len(kinds) > 1 else "mean BOLD without a T1w"
            yield f"{who} was {EPI[settings['registration_without_t1w']]}"
        else:
            yield from (f"mean BOLD {who} was {EPI[kind]}" for who, kind in kinds.items())


def _cleaning(settings, kept):
    """What the projection removed, and the correlation."""
    removed = ["intercept", "linear trend"]
    if settings["motion_parameters"] == 24:
        removed.append(
            "24 motion regressors (three translations, three rotations, their backward differences, and the squares of "
            "these twelve: Satterthwaite et al. 2013, after Friston et al. 1996)"
        )
    elif settings["motion_parameters"]:
        removed.append("6 motion parameters (three translations, three rotations)")
    if settings["global_signal"]:
        removed.append("the mean over the brain (global signal)")
    if settings["task_regressors"] != "none":
        removed.append(RESPONSES[settings["task_regressors"]])
    low, high = settings["low_hz"], settings["high_hz"]
    removed.append(f"every frequency outside {low:g} to {high:g} Hz" if low else f"every frequency above {high:g} Hz")
    yield (
        f"One least-squares projection, so that no step brings back what another took out (Lindquist et al. 2019), "
        f"removed {', '.join(removed[:-1])} and {removed[-1]}."
    )
    if settings["scrub_fd_mm"] is not None:
        yield (
            f"Volumes with a framewise displacement above {settings['scrub_fd_mm']:g} mm, {settings['scrub_before']} "
            f"before and {settings['scrub_after']} after each were left out (Power et al. 2012), by a regressor for "
            "each in the same projection."
        )
    else:
        yield "No volume was left out (no scrubbing)."
    unknown = int(kept["regressors"].astype(str).str.contains("unknown").sum())
    if unknown:
        yield (
            f"In {unknown:,} of {len(kept):,} people kept some of this was unknown and could not be removed "
            "(column regressors of the table of scan quality)."
        )
    kind = {"pearson": "Pearson's r", "fisher_z": "Fisher's z (artanh of Pearson's r)"}[settings["kind"]]
    yield f"Connectivity is {kind} of each two ROIs' cleaned series."


def _exclusions(settings):
    """The limits."""
    limits = [
        f"the head centre moved further than {settings['max_translation_mm']:g} mm from the first volume",
        f"the signal-to-fluctuation-noise ratio {METRICS[settings['sfnr_metric']]} (Friedman and Glover 2006) was "
        f"below {settings['min_sfnr']:g}",
        f"the brain overlapped that of MNI152 by a Dice coefficient below {settings['min_registration_dice']:g}",
        "the T1w raised the mutual information of mean BOLD and template by less than "
        f"{settings['min_t1w_gain']:g} nats, compared with a registration without it",
        f"more than {settings['max_missing_rois']:.0%} of the ROIs were missing (less than "
        f"{settings['min_roi_coverage']:.0%} of the ROI inside the scan, or a constant series)",
        f"fewer than {settings['min_residual_dof']} degrees of freedom were left",
    ]
    yield f"People were excluded where {'; '.join(limits[:-1])}; or {limits[-1]}. What is unknown was not judged."


def genotypes(results):
    """What was done to the genotypes before imputation.

    Parameters
    ----------
    results : gcamccl.report.collect.Results

    Returns
    -------
    text : str
        One paragraph; empty for a study without genotypes.
    references : list of str
        Of the works that it names, in alphabetical order.
    """
    if not results.has("snps"):
        return "", []
    settings = results.settings("genotype_qc")
    parts = ["Arrays were brought to common ids, positions and strand and merged (PLINK: Chang et al. 2015)."]
    if settings:
        parts += [*_people_measured(results), *_people_removed(settings), _snp_filters(settings)]
    text = " ".join(parts)
    return text, [reference for name, reference in GENETIC_REFERENCES.items() if name in text]


def _people_measured(results):
    """Sex, relatives, components, groups, heterozygosity: as far as they could be judged."""
    settings, samples = results.settings("genotype_qc"), results.tables["genotype_qc/samples"]
    if results.tables["genotype_qc/sex_check"]["f"].notna().any():
        yield (
            "Sex was inferred on each array from the inbreeding coefficient F of its X chromosome without the "
            "pseudo-autosomal regions (female below 0.2, male above 0.8)."
        )
    yield "Relatives were sought by KING-robust kinship (Manichaikul et al. 2010) over common SNPs."
    if samples["pc1"].notna().any():
        yield (
            f"{settings['components']} ancestry components come from people with a kinship of at most "
            f"{settings['max_kinship']:g} and SNPs with a minor allele frequency of at least 0.05, outside regions of "
            f"long-range linkage disequilibrium (Price et al. 2008) and pruned at r² {settings['structure_r2']:g}; the "
            "others were projected, corrected for shrinkage (Lee et al. 2010)."
        )
    count = samples["group"].dropna().nunique()
    if count > 1:
        yield (
            f"A Gaussian mixture on the components that stand out from noise, its size chosen by the integrated "
            f"completed likelihood (Biernacki et al. 2000), gave {count} ancestry groups of at least "
            f"{settings['min_group_people']} people."
        )
    if samples["heterozygosity"].notna().any():
        yield (
            f"Heterozygosity was compared within {'ancestry groups' if count > 1 else 'the cohort'} (odd: beyond "
            f"{settings['heterozygosity_sd']:g} SD)."
        )


def _people_removed(settings):
    """Which filters of people were on."""
    filters = (
        ("remove_sex_mismatch", "whose genotypes contradict the recorded sex"),
        ("remove_heterozygosity_outliers", "of odd heterozygosity"),
        ("remove_related", f"so that no known kinship above {settings['max_kinship']:g} was left"),
    )
    on = [words for key, words in filters if settings[key]]
    if on:
        yield f"People were left out {', then those '.join(on)}."
    else:
        yield "Nobody was left out for sex, relatives or heterozygosity: they are flagged only."


def _snp_filters(settings):
    """The paper's chain."""
    how = "within any ancestry group" if settings["hwe_within_ancestry"] else "over everybody"
    return (
        f"Then, in this order: SNPs with an exact Hardy-Weinberg p (Wigginton et al. 2005) below {settings['hwe_p']:g} "
        f"{how}, SNPs with a minor allele frequency below {settings['maf']:g}, linkage disequilibrium pruned at r² "
        f"{settings['ld_r2']:g} (windows of {settings['ld_window_snps']} SNPs), SNPs with more than "
        f"{settings['max_snp_missing']:.0%} and people with more than {settings['max_sample_missing']:.0%} of calls "
        "missing were left out."
    )
