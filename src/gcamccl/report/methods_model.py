"""The paragraph on groups, model and comparison: what was done, for every setting, with references."""

from gcamccl.report.comparison import own_row
from gcamccl.report.training import SCORES

REFERENCES = {
    "Bonett and Price 2012": "Bonett DG, Price RM. Adjusted Wald confidence interval for a difference of binomial "
    "proportions based on paired data. J Educ Behav Stat 37 (2012) 479-488.",
    "Brier 1950": "Brier GW. Verification of forecasts expressed in terms of probability. Mon Weather Rev 78 (1950) "
    "1-3.",
    "Holm 1979": "Holm S. A simple sequentially rejective multiple test procedure. Scand J Stat 6 (1979) 65-70.",
    "McNemar 1947": "McNemar Q. Note on the sampling error of the difference between correlated proportions or "
    "percentages. Psychometrika 12 (1947) 153-157.",
    "Nadeau and Bengio 2003": "Nadeau C, Bengio Y. Inference for the generalization error. Mach Learn 52 (2003) "
    "239-281.",
    "Naeini et al. 2015": "Naeini MP, Cooper GF, Hauskrecht M. Obtaining well calibrated probabilities using Bayesian "
    "binning. Proc AAAI Conf Artif Intell 29 (2015) 2901-2907.",
    "Newcombe 2006": "Newcombe RG. Confidence intervals for an effect size measure based on the Mann-Whitney "
    "statistic. Part 2: asymptotic methods and evaluation. Stat Med 25 (2006) 559-573.",
    "Phipson and Smyth 2010": "Phipson B, Smyth GK. Permutation p-values should never be zero: calculating exact "
    "p-values when permutations are randomly drawn. Stat Appl Genet Mol Biol 9 (2010) 39.",
    "Platt 1999": "Platt JC. Probabilistic outputs for support vector machines and comparisons to regularized "
    "likelihood methods. In: Advances in Large Margin Classifiers. MIT Press (1999) 61-74.",
    "Van Calster et al. 2019": "Van Calster B, McLernon DJ, van Smeden M, Wynants L, Steyerberg EW. Calibration: the "
    "Achilles heel of predictive analytics. BMC Med 17 (2019) 230.",
    "Wilson 1927": "Wilson EB. Probable inference, the law of succession, and statistical inference. J Am Stat Assoc "
    "22 (1927) 209-212.",
}
VIEWS = {"connectivity": "connectivity", "snps": "SNPs"}
ORDERS = {
    "pool_bn_relu": "convolution, max-pooling, batch normalisation, ReLU",
    "bn_relu_pool": "convolution, batch normalisation, ReLU, max-pooling",
    "relu_pool_bn": "convolution, ReLU, max-pooling, batch normalisation",
}
FUSIONS = {
    "mean": "the mean of the views' probabilities",
    "product": "the softmax of the views' summed log-probabilities",
}


def model(results):
    """What was done with groups, network and classifiers.

    Parameters
    ----------
    results : gcamccl.report.collect.Results

    Returns
    -------
    text : str
        One paragraph.
    references : list of str
        Of the works that it names, in alphabetical order.
    """
    cohort, train, compare = (results.settings(stage) for stage in ("cohort", "train", "compare"))
    sentences = []
    if cohort:
        sentences += _cohort(cohort, results.splits)
    if train:
        sentences += [*_network(train), *_training(train)]
    sentences += [*_classifiers(results, compare), *_statistics(results, cohort)]
    text = " ".join(sentences)
    return text, [reference for name, reference in REFERENCES.items() if name in text]


def _cohort(settings, splits):
    yield f"The groups are the top and bottom {settings['tail_fraction']:.0%} of the score."
    sizes = [(splits == part).sum(axis=1) for part in range(3)]
    parts = [f"{size.min()}" if size.min() == size.max() else f"{size.min()} to {size.max()}" for size in sizes]
    together = ", relatives kept in one part" if settings.get("relatives_together") else ""
    yield (
        f"{len(splits)} random split{'s' * (len(splits) > 1)}, stratified by group{together}, into training "
        f"({parts[0]} people), validation ({parts[1]}) and test part ({parts[2]})."
    )
    n = settings["permutations"]
    if n:
        yield (
            f"{n} permutation{'s' * (n > 1)} of the labels, within sites and families, each used with every split; a "
            "label took its place in the split with it, and everything was fitted and chosen anew."
        )


def _network(settings):
    views = settings["views"]
    if len(views) > 1:
        weight = settings["collaboration"]
        loss = "the collaborative loss (Eq. 12" + ("" if weight == 1 else f", cross-view term times {weight:g}") + ")"
        fused = FUSIONS[settings.get("fusion", "mean")]
        yield (
            f"gCAM-CCL: a convolutional branch for each view ({' and '.join(VIEWS[view] for view in views)}; Table "
            f"IV), trained together with {loss}; the prediction is {fused}, high where it is above one half."
        )
    else:
        yield (
            f"gCAM-CCL: the convolutional branch of {VIEWS[views[0]]} (Table IV) alone, trained with cross-entropy; "
            "with one view the collaborative loss has no cross-view term."
        )
    last = "also" if settings["last_batch_norm"] else "but not"
    scaled = (
        "raw" if settings["input_scale"] == "none" else "scaled by one mean and one SD a view, of the training part"
    )
    yield (
        f"Blocks: {ORDERS[settings['block_order']]}; batch normalisation {last} after the last convolution; dropout "
        f"{settings['dropout']:g} in the middle layers. Inputs: {scaled}."
    )


def _training(settings):
    how = f"SGD with momentum {settings['momentum']:g}" if settings["optimizer"] == "sgd" else "AdamW"
    every = settings["halve_every_epochs"]
    halved = f", halved every {every} epochs" if every else ""
    decay = f", weight decay {settings['weight_decay']:g}" if settings["weight_decay"] else ""
    yield (
        f"Training: {how}, learning rate {settings['learning_rate']:g}{halved}{decay}, batches of "
        f"{settings['batch_size']}, at most {settings['epochs']} epochs, stopped after {settings['patience_epochs']} "
        f"without a better {SCORES[settings['select_on']][1]}; the epoch with the best one is kept. Replicate r (split "
        f"and label row) has the seed {settings['seed']} + r."
    )


def _classifiers(results, settings):
    """The methods that were compared."""
    table = results.tables["compare/table3"]
    others = table[(table["kind"] == "main") & (table["method"] != "gcamccl")]["label"]
    chosen = {
        "validation": "the AUC on the validation part",
        "cross_validation": "the AUC of 5-fold cross-validation inside the training part (CCL+SVM, CCL+RF: on the "
        "validation part)",
    }[settings.get("selection", "validation")]
    if len(others):
        yield (
            f"{', '.join(others)} (scikit-learn) were fitted on the same training parts, their hyper-parameters chosen "
            f"by {chosen}; all are judged on the test parts, on which nothing was fitted or chosen."
        )
    if any("SVM" in label for label in others):
        yield "SVM margins became probabilities by Platt's method (Platt 1999) on the validation part."
    if others.str.startswith("CCL+").any():
        yield "CCL+ classifiers take the network's embeddings as features."
    if (table["kind"] == "view_alone").any():
        yield "Each view alone: fitted anew on that view; gCAM-CCL: its branch's output, CCL+: its branch's embedding."
    confounds = table[(table["kind"] == "confound") & (table["features"] != "all")]["label"]
    if len(confounds):
        names = [name.lower() for name in confounds]
        names = f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]
        yield f"Confounds alone: logistic regression on {names}, each and together."


def _statistics(results, cohort):
    """How numbers, intervals and p-values came about."""
    table = results.tables["compare/table3"]
    first = table.iloc[0]
    yield (
        "Positive class: high. Sensitivity is the recall of high, specificity that of low; Brier score: mean squared "
        "error of the probability (Brier 1950)."
    )
    compared = own_row(table) is not None and len(results.tables["compare/differences"])
    if first["n_splits"] > 1:
        yield (
            f"Means over splits have {first['confidence']:.0%} corrected resampled t intervals (Nadeau and Bengio "
            "2003): variance (1/J + n_test/n_train) S² for J splits with J - 1 degrees of freedom, n_train the "
            "training part without the validation part (which makes intervals wider), cut off at 0 and 1. Where all "
            "splits agree, it is the interval of a single test part (Wilson 1927; AUC: Newcombe 2006)."
        )
        if compared:
            yield "Differences to gCAM-CCL are paired by split, with the same correction and its two-sided t-test."
    else:
        yield (
            f"The {first['confidence']:.0%} intervals are of the one test part: accuracy, sensitivity, specificity by "
            "Wilson 1927, balanced accuracy by combining the two, AUC by a score interval with Hanley and McNeil's "
            "variance (Newcombe 2006), Brier score by the t interval, F1 none."
        )
        if compared:
            yield (
                "Differences to gCAM-CCL in accuracy and recalls: exact test of McNemar 1947, interval of Bonett and "
                "Price 2012; of other metrics none."
            )
    if compared:
        yield "Of many differences p is also adjusted by Holm 1979."
    if cohort.get("permutations"):
        yield (
            "Permutation p: (1 + permutations whose mean over splits is at least as good) / (1 + permutations) "
            "(Phipson and Smyth 2010)."
        )
    yield (
        "Calibration over the test people of all splits (true labels): intercept and slope of logistic recalibration "
        "(Van Calster et al. 2019), standard errors clustered by person; expected calibration error over ten bins of "
        "equal width (Naeini et al. 2015)."
    )
