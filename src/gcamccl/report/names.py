"""Short names of ROIs (Table IX) and of networks (Power et al. 2011), and the order networks are drawn in."""

import re

import numpy as np

# Table IX, spelled as in the paper but for "fusiform"; "Parahippocampa" is its spelling too.
TABLE_IX = {
    "inferior parietal lobule": "Inf Pari",
    "angular gyrus": "Angular",
    "inferior occipital gyrus": "Inf Occi",
    "fusiform gyrus": "Fusiform",
    "inferior frontal gyrus": "Inf Fron",
    "cingulate gyrus": "Cingu",
    "middle occipital gyrus": "Mid Occi",
    "sub-gyral": "SubGyral",
    "middle frontal gyrus": "Mid Fron",
    "paracentral lobule": "ParaCetr",
    "parahippocampa gyrus": "Parahippo",
    "parahippocampal gyrus": "Parahippo",
    "postcentral gyrus": "PostCetr",
    "middle temporal gyrus": "Mid Temp",
    "precuneus": "Precun",
    "superior parietal lobule": "Sup Pari",
}
# For names that Table IX lacks: words shortened in its manner.
WORDS = {
    "superior": "Sup",
    "inferior": "Inf",
    "middle": "Mid",
    "anterior": "Ant",
    "posterior": "Post",
    "medial": "Med",
    "orbital": "Orb",
    "frontal": "Fron",
    "parietal": "Pari",
    "occipital": "Occi",
    "temporal": "Temp",
    "cingulate": "Cingu",
    "cerebral": "Cereb",
    "cerebellum": "Cbl",
    "cerebellar": "Cbl",
    "supplementary": "Supp",
    "precentral": "PreCetr",
    "postcentral": "PostCetr",
    "supramarginal": "SupraMarg",
    "white": "W",
    "matter": "M",
    "segment": "",
    "part": "",
    "of": "",
    "the": "",
    "gyrus": "",
    "lobule": "",
    "cortex": "",
    "exterior": "",
    "proper": "",
}
LONGEST = 18  # characters of a short name
# Why people are left out (settings of the stage connectivity) in words.
REASONS = {
    "no_scan": "no scan",
    "max_translation_mm": "translation",
    "min_sfnr": "SFNR",
    "min_registration_dice": "registration",
    "min_t1w_gain": "doubtful T1w",
    "max_missing_rois": "missing ROIs",
    "min_residual_dof": "few degrees of freedom",
}
# Drawing order and abbreviations; networks not listed follow in alphabetical order under their own names.
NETWORKS = {
    "Sensory/Somatomotor Hand": "SMH",
    "Sensory/Somatomotor Mouth": "SMM",
    "Cingulo-opercular Task Control": "CON",
    "Auditory": "AUD",
    "Default Mode": "DMN",
    "Memory Retrieval": "MEM",
    "Visual": "VIS",
    "Fronto-parietal Task Control": "FPN",
    "Salience": "SAL",
    "Subcortical": "SUB",
    "Ventral Attention": "VAN",
    "Dorsal Attention": "DAN",
    "Cerebellar": "CBL",
    "Uncertain": "UNC",
}
# Kinds of maps, in the order of figures and legends.
METHOD_LABELS = {
    "gradcam": "Grad-CAM",
    "guided_gradcam": "guided Grad-CAM",
    "guided_backprop": "guided backpropagation",
    "margin_gradient": "margin gradient",
    "input_x_gradient": "input x gradient",
    "integrated_gradients": "integrated gradients",
}


def abbreviate(name):
    """Short form of an ROI's name: Table IX where it applies, else its words shortened in that manner; L and R stay."""
    text, side = re.fullmatch(r"\s*(.*?)(\s[LR])?\s*", str(name)).groups()
    short = TABLE_IX.get(text.lower())
    if short is None:
        words = [WORDS.get(word.lower(), word) for word in text.split()]
        short = " ".join(word for word in words if word)[:LONGEST].strip() or text[:LONGEST]
    return short + (side or "")


def abbreviations(rois):
    """What the figures' short names stand for (the paper's Table IX): DataFrame ``short``, ``name``, ``rois``.

    Parameters
    ----------
    rois : DataFrame
        ``roi``, ``name``; those without a name are called by their number and are not listed.
    """
    named = rois[rois["name"].notna() & (rois["name"].astype(str).str.strip() != "")]
    table = named.assign(short=named["name"].map(abbreviate), number=named["roi"].astype(str))
    return table.groupby(["short", "name"], sort=True)["number"].agg(", ".join).rename("rois").reset_index()


def plain_reasons(text):
    """`text` with the names of limits in words, e.g. ``no connectivity: translation``; a missing one stays missing."""
    return re.sub(r"\w+", lambda found: REASONS.get(found[0], found[0]), text) if isinstance(text, str) else text


def roi_label(roi, name):
    """Label of one ROI in a figure: short name and number, so that ROIs of the same gyrus can be told apart."""
    missing = name is None or name != name or not str(name).strip()
    return f"ROI {roi}" if missing else f"{abbreviate(name)} {roi}"


def network_short(name):
    """Abbreviation of a network's name."""
    return NETWORKS.get(str(name), str(name)[:8])


def network_order(networks):
    """Order of ROIs by network, and where each network begins.

    Parameters
    ----------
    networks : sequence of str (R,)

    Returns
    -------
    order : ndarray of int (R,)
        ROI indices, grouped by network; the given order is kept inside a network.
    bands : list of (str, int, int)
        Network, first and one-past-last position in `order`.
    """
    networks = np.asarray([str(name) for name in networks], dtype=object)
    known = [name for name in NETWORKS if name in set(networks)]
    names = known + sorted(set(networks) - set(known))
    rank = {name: place for place, name in enumerate(names)}
    order = np.argsort([rank[name] for name in networks], kind="stable")
    bands, start = [], 0
    for name in names:
        size = int((networks == name).sum())
        bands.append((name, start, start + size))
        start += size
    return order, bands
