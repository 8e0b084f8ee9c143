"""Titles, notes and headings of the report's tables."""

# Headings of columns whose names do not speak for themselves; others have underscores replaced.
HEADINGS = {
    "roi_a": "ROI a",
    "roi_b": "ROI b",
    "name_a": "name a",
    "name_b": "name b",
    "snp_id": "SNP",
    "chrom": "chr",
    "pos": "position (b37)",
    "frequency_permuted": "frequency, permuted labels",
    "n_selected_permuted": "selected, permuted labels (mean)",
    "n_selected": "selected",
    "n_features": "features",
    "n_all_zero_maps": "maps zero everywhere",
    "n_maps": "maps",
    "p_any": "p, anything differs",
    "selected_calibrated": "confirmed",
    "q_calibrated": "q, calibrated",
    "q_linear": "q, linear",
    "n_high": "confirmed, larger in high",
    "n_low": "confirmed, larger in low",
    "p_candidates": "p, candidate genes",
    "q_candidates": "q, candidate genes",
    "set_size_candidates": "set size, candidate genes",
    "participant_id": "participant",
    "genotype_id": "genotypes",
    "genotype_id_1": "genotypes 1",
    "genotype_id_2": "genotypes 2",
    "genotype_sex": "sex by genotypes",
    "n_related": "relatives",
    "ibs0": "IBS0",
    "pooled": "over everybody",
    "within": "within a group",
    "n_groups": "ancestry groups",
    "far_more": "far more by pooling",
    "variance_share": "share of variance",
    "f1": "F1",
    "auc": "AUC",
    "snps_in": "SNPs in",
    "snps_out": "SNPs out",
    "n_snps": "SNPs",
    "snps": "SNPs",
    "p_chance": "p, blind choice",
    "n_people": "people",
    "n_edges": "connections",
    "median_abs_r": "median |r|",
    "median_abs_r_by_chance": "median |r| without influence",
    "share_p_below_0_05": "share with p < 0.05",
    "distance_spearman": "Spearman's rho with distance",
    "mean_fd_mm": "mean framewise displacement (mm)",
    "max_translation_mm": "largest translation (mm)",
    "sfnr_global": "SFNR, whole brain",
    "sfnr_roi_median": "SFNR, ROIs",
    "sfnr_voxel_median": "SFNR, voxels",
    "registration_dice": "registration, Dice",
    "t1w_gain": "gain by the T1w (nats)",
    "residual_dof": "degrees of freedom left",
    "repetition_time_s": "repetition time (s)",
    "missing_rois": "missing ROIs",
    "n_volumes": "volumes",
    "eqtl_worst_p": "eQTL p, weakest tissue",
    "n_imputed": "calls imputed",
    "n_scrubbed": "volumes scrubbed",
    "n_regressors": "number of regressors",
}

# Columns of the page's table of imputation; the file has all.
# Table -> stage whose section shows it, title.
TITLES = {
    "scan_quality": ("connectivity", "Scan quality of everybody"),
    "excluded": ("connectivity", "People excluded for their images"),
    "qc_fc": ("connectivity", "QC-FC: what motion left in the connections"),
    "genotype_attrition": ("genotype_qc", "Attrition of SNPs and samples"),
    "genotype_dropped": ("genotype_qc", "Why SNPs and samples were dropped"),
    "genotype_harmonised": ("genotype_qc", "Harmonisation of the arrays"),
    "genotype_flags": ("genotype_qc", "What is odd about people's samples"),
    "genotype_samples": ("genotype_qc", "People with a flag, or dropped"),
    "genotype_relatives": ("genotype_qc", "Relatives by their genotypes, and declared ones"),
    "genotype_hwe": ("genotype_qc", "Hardy-Weinberg tests over everybody and within ancestry groups"),
    "genotype_ancestry": ("genotype_qc", "Ancestry components"),
    "imputation": ("impute", "Missing calls filled, by chromosome"),
    "concordance": ("impute", "Calls masked on purpose: share filled in as they are, all chromosomes"),
    "loci_attrition": ("eqtl_filter", "From SNPs to loci"),
    "loci": ("eqtl_filter", "The loci"),
    "people": ("cohort", "Everybody: who is in which group, and why not"),
    "groups": ("cohort", "Do the groups differ in anything but the score?"),
    "replicates": ("train", "Replicates"),
    "table3": ("compare", "Table III: all classifiers on the same splits, each view alone, confounds alone"),
    "differences": ("compare", "gCAM-CCL minus every other row, paired by split"),
    "calibration": ("compare", "Calibration of the probabilities"),
    "metrics": ("compare", "Every split and permutation"),
    "map_checks": ("activation", "Do the maps depend on what was learned, on the labels, on the group?"),
    "selection": ("threshold", "How much is selected, with the labels and with permuted ones"),
    "edges": ("threshold", "Connections confirmed, selected by the rule or significant by themselves"),
    "network_pairs": ("threshold", "Pairs of networks whose connections differ, taken together"),
    "abbreviations": ("threshold", "ROIs by the short names of the figures (Table IX counterpart)"),
    "snps": ("threshold", "SNPs"),
    "ld_blocks": ("threshold", "LD blocks whose SNPs differ, taken together"),
    "difference": ("enrichment", "Gene sets that one group's genes favour over the other's"),
    "unmatched": ("enrichment", "Selected genes that no gene set has"),
    "planted": ("simulate", "Planted and found"),
    "genotype_faults": ("simulate", "Faults planted into the SNP arrays, and what became of them"),
}
FEATURES = (
    "Confirmed ones first, then those of the paper's rule. Confirmed: calibrated q of at most the level, larger in the "
    "group; direction 1 larger in high, -1 in low; stability: share of the halves that nominate it in that direction; "
    "q, linear: the same with a linear model for nominator. Sign: 1 where a larger value speaks for the group by the "
    "map, -1 against it. t, p and q: univariate test, t positive where the high group is larger."
)
NOTES = {
    "scan_quality": "Each raw scan and fMRIPrep output has a page of pictures in the stage preprocess (*_qc.png).",
    "excluded": "One row a reason; setting: the limit, in the section connectivity of the configuration.",
    "qc_fc": "Each connection correlated with mean framewise displacement over the people kept whose motion is known.",
    "genotype_dropped": "Counted by reason; the file dropped.tsv of the stage names each.",
    "genotype_samples": "The file has everybody on any array (samples.tsv of the stage), with ancestry components.",
    "genotype_relatives": "Kinship by KING-robust; limits 0.354, 0.177, 0.0884, 0.0442 (Manichaikul et al. 2010).",
    "genotype_hwe": "Numbers of SNPs with an exact p below the threshold. hwe_within_ancestry says which test filters.",
    "genotype_ancestry": "Stands out: more than noise; ancestry groups are sought on these.",
    "groups": "Means (share of women for sex); Welch's t-test, Fisher's exact test for sex.",
    "table3": (
        "Mean over splits [confidence interval]; the paper's values are of its own cohort, without intervals. Overlap "
        "of two intervals says little about a difference: that is the next table. The file has all metrics, with SD "
        "and p."
    ),
    "differences": (
        "Positive: gCAM-CCL has the larger value (of the Brier score, the worse one). p (Holm): adjusted for all rows "
        "of the metric."
    ),
    "calibration": (
        "Slope 1 and intercept 0 (with the slope held at 1) are calibrated; slope below 1: too extreme. Over the test "
        "people of all splits, intervals clustered by person. The file has the bins of the figure."
    ),
    "replicates": "Permutation 0: the true labels. Epochs count from 0 here, from 1 in text and figure.",
    "map_checks": (
        "Likeness: Spearman's rho of mean |map| between splits; shared: likeness to the maps compared with over "
        "likeness to each other, which passes up to activation.max_shared (upper bound). Deletion: fall of the margin, "
        "mean over 1 to 50 % of the features deleted; passes where random order surely lowers it less."
    ),
    "selection": (
        "Calibrated: confirmed by people whom the nominating network has not seen (calibrated_linear: a linear model "
        "nominates); maps: halves. n/a: no permuted labels were run."
    ),
    "edges": FEATURES,
    "snps": FEATURES,
    "planted": "Any: a feature counts whichever group it is selected for.",
    "genotype_faults": (
        "Fault none: sound SNPs; mended there means left alone, dropped otherwise a false alarm, missed altered for "
        "nothing."
    ),
}
