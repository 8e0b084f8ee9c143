"""The report's figures: name, section, title, drawing; captions are workflow/report/<name>.rst."""

from dataclasses import dataclass

from gcamccl.report import scans, statistics
from gcamccl.report.figures import (
    comparison,
    connections,
    flow,
    genotypes,
    heatmaps,
    map_checks,
    recovery,
    scan_quality,
    scores,
    style,
    training,
)
from gcamccl.report.names import METHOD_LABELS
from gcamccl.workflow.artifacts import ROOT

CAPTIONS = ROOT / "workflow" / "report"
# Name -> stage whose section shows it, title.
FIGURES = {
    "scan_quality": ("connectivity", "Scan quality"),
    "qc_fc": ("connectivity", "What motion left in the connections (QC-FC)"),
    "connectivity": ("connectivity", "Connectivity by network"),
    "attrition": ("genotype_qc", "SNPs and people left after each step"),
    "genotype_quality": ("genotype_qc", "People by their genotypes"),
    "people": ("cohort", "From the study to the two groups"),
    "training": ("train", "Learning curves"),
    "table3": ("compare", "Table III as a picture"),
    "differences": ("compare", "gCAM-CCL minus every other classifier"),
    "calibration": ("compare", "Calibration of the stated probabilities"),
    "fig2_maps_low": ("activation", "Fig. 2 counterpart: activation maps, low group"),
    "fig3_maps_high": ("activation", "Fig. 3 counterpart: activation maps, high group"),
    "fig4_histograms": ("activation", "Fig. 4 counterpart: grey values of the maps"),
    "map_checks": ("activation", "What the maps depend on"),
    "fig5_chords": ("threshold", "Fig. 5 counterpart: selected connections"),
    "fig6_brain": ("threshold", "Fig. 6 counterpart: selected connections in the brain"),
    "confirmed_chords": ("threshold", "Confirmed connections"),
    "confirmed_brain": ("threshold", "Confirmed connections in the brain"),
    "snp_frequency": ("threshold", "How often each locus is active"),
    "pathways": ("enrichment", "Pathways"),
    "recovery": ("simulate", "Planted and found"),
}


@dataclass
class Figure:
    """One figure of the page.

    Attributes
    ----------
    name, stage, title, caption : str
    note : str
        What only this run's numbers can say.
    png : bytes
    """

    name: str
    stage: str
    title: str
    caption: str
    note: str = ""
    png: bytes = b""


def caption(name):
    """A figure's caption, one paragraph of plain text."""
    return " ".join((CAPTIONS / f"{name}.rst").read_text(encoding="utf-8").split())


def drawings(results, summaries, planted=None):
    """Draw every figure, one at a time.

    Yields
    ------
    name : str
    drawing : matplotlib.figure.Figure
    note : str
        Sentence with this run's numbers, may be empty.
    """
    get = results.tables.__getitem__
    has_scans, has_snps = results.has("connectivity"), results.has("snps")
    cohort = get("cohort/cohort")
    if has_scans:
        yield from _of_scans(results)
    if has_snps:
        yield from _of_genotypes(results)
    yield "people", flow.people(*statistics.people_flow(get("cohort/people"))), ""
    chosen_on = results.settings("train").get("select_on", "loss")
    yield "training", training.curves(results.history, results.replicates, chosen_on), ""
    largest = cohort["group"].value_counts(normalize=True).max()
    table3 = get("compare/table3")
    note = f"Dotted line: always naming the larger group ({largest:.2f})."
    yield "table3", comparison.classifiers(table3, get("compare/metrics"), float(largest)), note
    yield "differences", comparison.differences(get("compare/differences"), float(table3["confidence"].iloc[0])), ""
    yield "calibration", comparison.calibration(get("compare/calibration"), table3), ""
    if has_scans:
        networks = get("connectivity/rois")["network"]
        for name, group in (("fig2_maps_low", "low"), ("fig3_maps_high", "high")):
            yield name, heatmaps.activation(summaries, group, networks), _maps_note(summaries, group)
    yield "fig4_histograms", heatmaps.histograms(summaries, "connectivity" if has_scans else "snps"), ""
    yield "map_checks", map_checks.curves(get("activation/curves")), ""
    if has_scans:
        edges, rois = get("threshold/edges"), get("connectivity/rois")
        yield "fig5_chords", connections.chord(edges, rois), _cap_note(edges)
        yield "fig6_brain", connections.glass_brain(edges, rois), _cap_note(edges)
        yield from _of_confirmed(connections.confirmed(edges), rois)
    if has_snps:
        frequency = results.settings("threshold").get("min_frequency", 0.7)
        drawing = scores.snp_frequency(get("threshold/snps"), frequency)
        yield "snp_frequency", drawing, f"Dotted line: the rule’s {frequency:g}."
        yield "pathways", scores.pathways(results.enrichment), ""
    if planted is not None:
        yield "recovery", recovery.panel(planted), ""


def _of_scans(results):
    """Figures about scans and connectivity."""
    get = results.tables.__getitem__
    people = len(get("connectivity/people"))
    quality = (get("connectivity/group_bold_qc"), get("connectivity/excluded"), results.settings("connectivity"))
    yield "scan_quality", scan_quality.scatter(*quality), scan_quality.note(*quality)
    left = get("connectivity/qc_fc")
    drawing = scan_quality.qc_fc(get("connectivity/qc_fc_edges"), left["reason"].iloc[0])
    yield "qc_fc", drawing, scans.qc_fc_sentence(left, people)
    mean = statistics.mean_connectivity(results.folders["connectivity"] / "fc.npy")
    difference = statistics.group_difference(results.folders["cohort"] / "fc.npy", get("cohort/cohort")["group"])
    drawing = heatmaps.connectivity(mean, difference, get("connectivity/rois")["network"])
    yield "connectivity", drawing, f"Mean of {people:,} people."


def _of_confirmed(edges, rois):
    """Figures about confirmed connections."""
    for name, draw in (("confirmed_chords", connections.chord), ("confirmed_brain", connections.glass_brain)):
        if edges["q_calibrated"].isna().all():
            yield name, style.message("No halvings of the people were run (cohort.halvings: 0)."), ""
        else:
            yield name, draw(edges, rois, "confirmed"), _cap_note(edges, "q, then by |t|")


def _of_genotypes(results):
    """Figures about genotypes up to the loci."""
    get = results.tables.__getitem__
    yield "attrition", genotypes.attrition(get("genotype_qc/attrition"), get("eqtl_filter/attrition")), ""
    samples = get("genotype_qc/samples")
    drawing = genotypes.quality(
        samples, get("genotype_qc/relatedness"), get("genotype_qc/sex_check"), results.settings("genotype_qc")
    )
    yield "genotype_quality", drawing, genotypes.note(samples)


def _maps_note(summaries, group):
    """How many maps a mean is over."""
    parts = []
    for method in ("gradcam", "guided_gradcam"):
        part = summaries.get((method, "connectivity", group, False))
        if part is not None:
            parts.append(f"{METHOD_LABELS[method]}: {part.n_maps:,} maps, {part.n_zero:,} zero everywhere left out.")
    return " ".join(parts)


def _cap_note(edges, by="frequency, then by |t|"):
    """Which connections are drawn where there are more than can be told apart."""
    counts = edges[edges["selected"]].groupby("class").size()
    if (counts > connections.MAX_EDGES).any():
        return (
            f"Only the strongest {connections.MAX_EDGES} of each group are drawn, by {by}; "
            "the table of connections has them all."
        )
    return "All of them are drawn." if len(counts) else ""
