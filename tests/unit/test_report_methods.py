"""The paragraph on imaging: true for the default and for rich settings, with the references that it names."""

import re
from dataclasses import replace

import numpy as np
import pytest
from report_fixture import make_study

from gcamccl.report import methods
from gcamccl.report.collect import collect
from gcamccl.workflow.config import stage_defaults

RICH = {
    "connectivity": {
        "motion_parameters": 24,
        "global_signal": True,
        "scrub_fd_mm": 0.5,
        "task_regressors": "glover_derivative",
        "kind": "fisher_z",
        "sfnr_metric": "sfnr_roi_median",
        "min_sfnr": 100.0,
        "min_t1w_gain": 0.04,
        "low_hz": 0,
    },
    "preprocess": {"atlas": "atlases/tpl_dseg.nii.gz", "smoothing_fwhm_mm": 0, "registration_resolution_mm": 1},
}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return collect(make_study(tmp_path_factory.mktemp("study")))


def described(study, quality=None, **settings):
    """The paragraph and its references with other settings and perhaps another table of quality."""
    records = {name: [{"settings": stage_defaults(name) | settings.get(name, {})}] for name in RICH}
    tables = study.tables if quality is None else study.tables | {"connectivity/group_bold_qc": quality}
    return methods.imaging(replace(study, records=study.records | records, tables=tables))


def test_the_default_is_the_papers(study):
    text, references = described(study)
    for part in (
        "raw BOLD with a T1w 40, ROI time series made elsewhere 200.",
        "T1w (rigid) and the T1w's brain to MNI152 (affine, then SyN) on a grid of 2 mm.",
        "264 ROIs, balls of 5 mm around the coordinates of Power et al. 2011, after Gaussian smoothing of 6 mm",
        "removed intercept, linear trend, 6 motion parameters (three translations, three rotations) and every "
        "frequency outside 0.01 to 0.1 Hz.",
        "No volume was left out",
        "In 5 of 228 people kept some of this was unknown",
        "Pearson's r of",
        "further than 2 mm",
        "ratio of the whole-brain mean (Friedman and Glover 2006) was below 275",
        "Dice coefficient below 0.75",
        "less than 0 nats",
        "more than 10% of the ROIs were missing (less than 50% of",
        "fewer than 10 degrees",
        "over the 223 people kept whose motion is known",
    ):
        assert part in text, part
    for absent in ("24 motion", "global signal", "Glover 1999", "Power et al. 2012", "EPI", "fMRIPrep", "Fisher"):
        assert absent not in text, absent
    assert [reference.split()[0] for reference in references] == [
        *("Avants", "Avants", "Ciric", "Friedman", "Lindquist", "Power", "Satterthwaite")
    ]


def test_a_rich_setting_is_told_whole(study):
    quality = study.tables["connectivity/group_bold_qc"].copy()
    quality.loc[20:24, "t1w_gain"] = np.nan
    quality.loc[100:109, "route"] = "fmriprep"
    text, references = described(study, quality, **RICH)
    for part in (
        "raw BOLD with a T1w 35, raw BOLD registered without a T1w 5, BOLD preprocessed by fMRIPrep (Esteban et al. "
        "2019) 10, ROI time series made elsewhere 190.",
        "on a grid of 1 mm; mean BOLD without a T1w was registered straight to an EPI-contrast MNI152 template "
        "(affine, then a strongly regularised SyN).",
        "the 264 regions of the label image tpl_dseg.nii.gz, unsmoothed.",
        "24 motion regressors (three translations, three rotations, their backward differences, and the squares of "
        "these twelve",
        "the mean over the brain (global signal), the expected response to each type of trial (Glover 1999) and its "
        "time derivative and every frequency above 0.1 Hz.",
        "above 0.5 mm, 1 before and 2 after each were left out (Power et al. 2012)",
        "Fisher's z",
        "ratio of the ROIs' means (median) (Friedman and Glover 2006) was below 100",
        "less than 0.04 nats",
    ):
        assert part in text, part
    assert "balls" not in text and "atlases/" not in text and "6 motion parameters" not in text
    assert len(references) == len(methods.REFERENCES) - 1  # all but the atlas of Power et al. 2011


def test_registration_without_the_t1w_by_choice(study):
    quality = study.tables["connectivity/group_bold_qc"].assign(t1w_gain=np.nan)
    text, _ = described(study, quality, preprocess={"registration": "epi_syn"})
    assert "mean BOLD was registered straight to an EPI-contrast MNI152 template (affine, then" in text
    assert "(rigid)" not in text
    mixed = {"registration": "epi_syn", "registration_without_t1w": "epi_affine"}
    text, _ = described(study, quality, preprocess=mixed)
    assert re.search(r"of people with a T1w was .*SyN\); mean BOLD without a T1w was .*\(affine\)\.", text)


def test_a_study_of_roi_tables_has_no_registration(study):
    quality = study.tables["connectivity/group_bold_qc"].assign(route="timeseries", t1w_gain=np.nan)
    text, references = described(study, quality)
    assert "The ROI time series (264 ROIs) were used as given" in text
    for absent in ("ANTs", "realigned", "smoothing", "balls"):
        assert absent not in text, absent
    assert not any(reference.startswith("Avants") for reference in references)


def test_every_value_of_every_setting_can_be_told(study):
    for section, key, values in (
        ("connectivity", "motion_parameters", (0, 6, 24)),
        ("connectivity", "task_regressors", ("none", "glover", "glover_derivative")),
        ("connectivity", "sfnr_metric", ("sfnr_global", "sfnr_roi_median", "sfnr_voxel_median")),
        ("connectivity", "kind", ("pearson", "fisher_z")),
        ("preprocess", "registration", ("t1w_syn", "epi_syn", "epi_affine")),
        ("preprocess", "registration_without_t1w", ("epi_syn", "epi_affine")),
        ("preprocess", "atlas", ("power264", "mine.tsv", "mine.nii")),
    ):
        texts = {described(study, **{section: {key: value}})[0] for value in values}
        told = len(values) if key not in ("registration", "registration_without_t1w") else 1  # all have a T1w here
        assert len(texts) == told, key
    assert "removed intercept, linear trend and every" in described(study, connectivity={"motion_parameters": 0})[0]


def test_a_study_without_records_still_has_a_paragraph(study):
    text, _ = methods.imaging(replace(study, records={}))
    assert text.startswith("Scans, by number of people:") and "QC-FC" in text
