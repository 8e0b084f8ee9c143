"""The paragraphs on maps and selection and on pathways: what was done, for every setting, with references."""

from gcamccl.confounds import ALL, available
from gcamccl.report.names import METHOD_LABELS

REFERENCES = {
    "Adebayo et al. 2018": "Adebayo J et al. Sanity checks for saliency maps. Adv Neural Inf Process Syst 31 (2018) "
    "9505-9515.",
    "Benjamini and Hochberg 1995": "Benjamini Y, Hochberg Y. Controlling the false discovery rate: a practical and "
    "powerful approach to multiple testing. J R Stat Soc B 57 (1995) 289-300.",
    "Fang et al. 2023": "Fang Z, Liu X, Peltz G. GSEApy: a comprehensive package for performing gene set enrichment "
    "analysis in Python. Bioinformatics 39 (2023) btac757.",
    "Liu and Xie 2020": "Liu Y, Xie J. Cauchy combination test: a powerful test with analytic p-value calculation "
    "under arbitrary dependency structures. J Am Stat Assoc 115 (2020) 393-402.",
    "Selvaraju et al. 2017": "Selvaraju RR et al. Grad-CAM: visual explanations from deep networks via gradient-based "
    "localization. Proc IEEE Int Conf Comput Vis (2017) 618-626.",
    "Simes 1986": "Simes RJ. An improved Bonferroni procedure for multiple tests of significance. Biometrika 73 (1986) "
    "751-754.",
    "Springenberg et al. 2015": "Springenberg JT, Dosovitskiy A, Brox T, Riedmiller M. Striving for simplicity: the "
    "all convolutional net. ICLR workshop (2015).",
    "Sundararajan et al. 2017": "Sundararajan M, Taly A, Yan Q. Axiomatic attribution for deep networks. Proc Int Conf "
    "Mach Learn 34 (2017) 3319-3328.",
    "Welch 1947": "Welch BL. The generalization of Student's problem when several different population variances are "
    "involved. Biometrika 34 (1947) 28-35.",
}
OF_MAP = {
    "gradcam": "Grad-CAM (Eqs. 8 and 10; Selvaraju et al. 2017) of {layer}, ReLU on {relu_on}",
    "guided_backprop": "guided backpropagation (Springenberg et al. 2015)",
    "guided_gradcam": "guided Grad-CAM (Eq. 9)",
    "margin_gradient": "the gradient",
    "input_x_gradient": "input times gradient",
    "integrated_gradients": "integrated gradients (Sundararajan et al. 2017; {integration_steps} steps from the "
    "{baseline} input)",
}
VIEWS = {"connectivity": "connectivity", "snps": "SNP"}
RELU = {"grad": "the gradients", "map": "the map", "none": "nothing"}
BASELINES = {"mean": "training people's mean", "zero": "all-zero"}
SCORES = {"margin": "difference of the two class scores", "logit": "class's score before the softmax"}
VALUES = {"absolute": "its absolute value", "positive": "its value"}
MAXIMA = {"person": "the map's maximum", "class": "the maximum over all maps of the class in the split"}
PEOPLE = {"class": "of the held-out people of that class", "all": "of all held-out people"}
SPLITS = {
    "pooled": "over all splits together",
    "mean": "in the mean over splits",
    "lowest": "in every single split",
}


BACKGROUNDS = {
    "union": "all genes of the gene-set files",
    "per_source": "all genes of the same gene-set file",
    "candidates": "the genes that have a locus",
    "file": "a list of genes given with the study",
}


def rule(settings):
    """The paper's rule with the variants chosen, as half a sentence that a feature is the subject of.

    Parameters
    ----------
    settings : dict
        The config section ``threshold``.
    """
    return (
        f"is active in a map where {VALUES[settings['rule_values']]} exceeds {settings['max_fraction']:g} of "
        f"{MAXIMA[settings['rule_maximum']]}, and selected for a class if active in more than "
        f"{settings['min_frequency']:.0%} {PEOPLE[settings['rule_people']]}, {SPLITS[settings['rule_splits']]}"
    )


def selection(results):
    """What was done to name connections and SNPs.

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
    activation, threshold, cohort = (results.settings(stage) for stage in ("activation", "threshold", "cohort"))
    sentences = []
    if activation:
        sentences += _maps(activation, cohort, [view for view in VIEWS if results.has(view)])
    if threshold:
        name = METHOD_LABELS[threshold["method"]]
        sentences.append(f"By the paper's rule, on {name} maps, a feature {rule(threshold)}.")
        sentences += [*_calibrated(results, threshold, cohort), *_univariate(threshold)]
    text = " ".join(sentences)
    return text, [reference for name, reference in REFERENCES.items() if name in text]


def _maps(settings, cohort, views):
    layers = " and ".join(f"block {settings[f'layer_{view}']} of the {VIEWS[view]} branch" for view in views)
    words = {
        "layer": layers,
        "relu_on": RELU[settings["relu_on"]],
        "integration_steps": settings["integration_steps"],
        "baseline": BASELINES[settings["baseline"]],
    }
    kinds = [OF_MAP[method].format(**words) for method in OF_MAP if method in settings["methods"]]
    yield f"What was differentiated is the {SCORES[settings['score']]}. Maps: {'; '.join(kinds)}."
    if "connectivity" in views:
        yield "Connectivity maps were averaged with their transpose, and every connection counted once."
    if "snps" in views:
        yield "SNP maps went back through the receptive field."
    if settings["checks"]:
        null = ", permuted labels" if cohort.get("permutations") else ""
        yield (
            f"Maps were compared with those of networks with fresh weights (layer by layer from the output; Adebayo "
            f"et al. 2018){null} and the other class, and inputs deleted in the maps' order; a kind of map fails a "
            f"check where it shares more than {settings['max_shared']:g} of its structure with maps that should differ."
        )


def _calibrated(results, settings, cohort):
    halvings = cohort.get("halvings", 0)
    if not halvings:
        return
    columns = available(results.tables["cohort/cohort"], settings["covariates"]).get(ALL, [])
    both = (
        ", in either view only if the two views' own p-values together (Simes 1986) show that anything differs"
        if all(results.has(view) for view in VIEWS)
        else ""
    )
    adjusted = f", adjusted for {', '.join(columns)}" if columns else ""
    yield (
        f"Calibrated selection: in {halvings} random halvings of the people (relatives on one side) a network was "
        f"trained on each half and named {settings['nominate_share']:.0%} of the features by its mean gradient, whose "
        f"sign is the direction; each was tested one-sided in the other half by a linear model of the group{adjusted}, "
        "relatives of one group counting once, by their mean. A feature's p-values of one direction were combined by "
        "the Cauchy rule (Liu and Xie 2020), the better direction's doubled, and q computed over all features "
        f"(Benjamini and Hochberg 1995), confirmed at {settings['fdr_q']:g}{both}. Pairs of networks and LD blocks (r2 "
        f"of at least {settings['min_ld_r2']:g}) were tested by their features' p-values (Simes 1986). A linear "
        "support "
        "vector machine in the network's place is the yardstick."
    )


def _univariate(settings):
    yield (
        "Beside it: a two-sided t-test of every feature between the groups (Welch 1947), everybody used, with "
        f"Benjamini-Hochberg correction at {settings['fdr_q']:g}."
    )


def pathways(results):
    """What was done with the genes, as `selection` does."""
    settings = results.settings("enrichment")
    if not settings:
        return "", []
    background = BACKGROUNDS[settings["background"]]
    beside = "" if settings["background"] == "candidates" else f", and beside it against {BACKGROUNDS['candidates']}"
    sentences = [
        "A selected SNP counts for every gene body that it lies in; outdated symbols were updated. Gene sets of "
        f"{settings['min_set_size']} to {settings['max_set_size']} genes were tested by the hypergeometric "
        f"distribution (gseapy; Fang et al. 2023) against {background}{beside}, with q over all sets tested "
        "(Benjamini and Hochberg 1995): of the genes selected for each class, and of those of the confirmed SNPs."
    ]
    if settings["matched_draws"]:
        sentences.append(
            f"To see what gene length does, it was drawn anew {settings['matched_draws']:,} times which loci are "
            "selected, as many as are in genes of like length with a like number of loci."
        )
    sentences.append("Genes that only one class has were compared between the classes by Fisher's exact test.")
    text = " ".join(sentences)
    return text, [reference for name, reference in REFERENCES.items() if name in text]
