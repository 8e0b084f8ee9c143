"""People's samples by their genotypes: what is odd about whom, in tables, sentences and warnings."""

import pandas as pd

# Flags of ``samples.tsv`` in words.
FLAGS = {
    "sex_mismatch": "sex by genotypes is not the recorded one",
    "sex_unclear": "sex by genotypes is unclear",
    "recorded_sexes_differ": "sex differs between .fam files and participants table",
    "same_dna": "same DNA as somebody else",
    "undeclared_relative": "relative not declared",
    "declared_not_related": "declared family, not related",
    "related_to_many": "looks related to many (mixed sample)",
    "high_heterozygosity": "too heterozygous for the ancestry group",
    "low_heterozygosity": "not heterozygous enough for the ancestry group",
    "low_call_rate": "low call rate",
}
FLAG_OF_PAIR = {
    "mixed_sample": "mixed sample",
    "same_dna": "same DNA",
    "undeclared": "not declared",
    "declared_not_related": "declared, not related",
}
# Of notes that do not begin with a name.
FIRST_WORDS = ("no ", "only ", "people ", "pairs ", "another ", "far ")
# Where to read what a warning of each check means, and what to do about it.
ADVICE = {
    "sex": "Look for mixed-up samples first; genotype_qc.remove_sex_mismatch leaves these people out.",
    "relatedness": "See the table of relatives; genotype_qc.remove_related leaves out the fewest people.",
    "heterozygosity": "genotype_qc.remove_heterozygosity_outliers leaves these people out.",
    "hwe": "",
    "ancestry": "",
}


def in_words(flags, words=FLAGS):
    """Flags joined by ``;`` in words; a missing cell stays missing."""
    if not isinstance(flags, str):
        return flags
    return "; ".join(words.get(flag, flag) for flag in flags.split(";"))


def warnings(results):
    """Warnings of genotype quality control, each with what can be done.

    Parameters
    ----------
    results : gcamccl.report.collect.Results

    Returns
    -------
    list of str
    """
    notes = results.tables["genotype_qc/notes"]
    rows = notes[notes["level"] == "warning"]
    last = {check: place for place, check in enumerate(rows["check"])}  # the advice stands once, at the end
    lines = []
    for place, row in enumerate(rows.itertuples()):
        advice = ADVICE.get(row.check, "") if last[row.check] == place else ""
        lines.append(" ".join(part for part in (_sentence(row.text), advice) if part))
    return lines


def _sentence(text):
    """With a full stop, and a capital unless it begins with a name, of an array or a person."""
    text = text.rstrip(".") + "."
    return text[:1].upper() + text[1:] if text.startswith(FIRST_WORDS) else text


def sentences(results):
    """The state of the samples in a few sentences: counts, then every note on what could not be done; none without."""
    if not results.has("snps"):
        return []
    samples = results.tables["genotype_qc/samples"]
    kept, flagged = int(samples["kept"].sum()), samples["flags"].notna()
    both = int((flagged & samples["kept"]).sum())
    groups = samples.loc[samples["group"].notna(), "group"].value_counts().sort_index()
    text = f"{len(samples):,} people are on the arrays, {kept:,} were kept; {both:,} of these have a flag."
    if len(groups) > 1:
        parts = ", ".join(f"{name} {count:,}" for name, count in groups.items())
        text += f" Ancestry groups, by number of people: {parts}."
    notes = results.tables["genotype_qc/notes"]
    return [text, *map(_sentence, notes.loc[notes["level"] == "note", "text"])]


def tables(results):
    """Tables of the section: name -> (whole table, what is shown on the page).

    Returns
    -------
    dict of str to (DataFrame, DataFrame)
    """
    get = results.tables.__getitem__
    samples, relatives = get("genotype_qc/samples"), get("genotype_qc/relatedness")
    counts = flag_counts(samples)
    shown = relatives.assign(flag=relatives["flag"].map(lambda flag: in_words(flag, FLAG_OF_PAIR)))
    return {
        "genotype_flags": (counts, counts),
        "genotype_samples": (samples, odd_ones(samples)),
        "genotype_relatives": (relatives, shown.drop(columns=["n_snps"])),
        "genotype_hwe": (get("genotype_qc/hwe_summary"), get("genotype_qc/hwe_summary")),
        "genotype_ancestry": (get("genotype_qc/eigenvalues"), get("genotype_qc/eigenvalues")),
    }


def flag_counts(samples):
    """How many people have each flag: flag, people, kept."""
    rows = []
    for flag, words in FLAGS.items():
        own = (
            samples["flags"]
            .astype(object)
            .map(lambda text, flag=flag: isinstance(text, str) and flag in text.split(";"))
        )
        if own.any():
            rows.append((words, int(own.sum()), int((own & samples["kept"]).sum())))
    return pd.DataFrame(rows, columns=["flag", "people", "kept"])


def odd_ones(samples):
    """People with a flag, and those dropped, kept ones first; columns that fit on a page."""
    columns = [
        *("genotype_id", "participant_id", "arrays", "sex", "genotype_sex", "call_rate", "heterozygosity"),
        *("group", "n_related", "flags", "kept", "reason"),
    ]
    odd = samples[(samples["flags"].notna() | ~samples["kept"]) & (samples["reason"] != "not_a_participant")]
    odd = odd.sort_values("kept", ascending=False, kind="stable")[columns]
    return odd.assign(flags=odd["flags"].map(in_words))
