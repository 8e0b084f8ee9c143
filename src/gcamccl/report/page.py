"""The HTML page: one file that needs nothing else."""

import base64
from pathlib import Path

import jinja2

from gcamccl.report import (
    checks,
    comparison,
    genotypes,
    methods,
    methods_model,
    methods_selection,
    provenance,
    scans,
    tables,
    training,
)
from gcamccl.workflow.stages import BY_NAME

HERE = Path(__file__).parent
ORDER = (
    *("preprocess", "connectivity", "genotype_qc", "impute", "eqtl_filter", "cohort"),
    *("train", "compare", "activation", "threshold", "enrichment"),
)


def templates():
    """Where pages come from; everything that is put into them is escaped."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(title, results, content):
    """The page as text.

    Parameters
    ----------
    title : str
        Heading.
    results : gcamccl.report.collect.Results
    content : dict
        summary (`summary.sentences`), warnings (`checks.warnings`), figures (list of Figure), tables (list of Table),
        recovered (sentences on planted truth, empty if none).

    Returns
    -------
    str
        Self-contained HTML. Identifiers and names of the study are untrusted: everything is escaped.
    """
    stages = [
        *(stage for stage in ORDER if stage in results.folders),
        *(["simulate"] if results.truth is not None else []),
    ]
    imaging, references = methods.imaging(results)
    genetics, genetic_references = methods.genotypes(results)
    model, model_references = methods_model.model(results)
    chosen, chosen_references = methods_selection.selection(results)
    of_genes, gene_references = methods_selection.pathways(results)
    sections = [section(stage, results, content) for stage in stages]
    return (
        templates()
        .get_template("template.html")
        .render(
            title=title,
            summary=content["summary"],
            sections=sections,
            n_warnings=sum(len(part["warnings"]) for part in sections),
            jobs=provenance.jobs(results.records),
            versions=provenance.versions(results.records),
            changed=provenance.changed_settings(results, ORDER),
            setting=lambda stage, key: provenance.show(results.settings(stage).get(key, "as set")),
            simulated=results.truth is not None,
            has_scans=results.has("connectivity"),
            has_genotypes=results.has("snps"),
            imaging=imaging,
            references=references,
            genetics=genetics,
            genetic_references=genetic_references,
            model=model,
            model_references=model_references,
            selection=chosen,
            pathways=of_genes,
            selection_references=sorted({*chosen_references, *gene_references}),
        )
    )


def section(stage, results, content):
    """One stage's part of the page as plain values for the template."""
    figures = [
        {
            "name": drawn.name,
            "title": drawn.title,
            "caption": drawn.caption,
            "note": drawn.note,
            "data": base64.b64encode(drawn.png).decode("ascii"),
        }
        for drawn in content["figures"]
        if drawn.stage == stage
    ]
    said = {
        "simulate": content["recovered"],
        "cohort": checks.relatives_together(results),
        "preprocess": scans.where_pages_are(results),
        "genotype_qc": genotypes.sentences(results),
        "train": training.sentences(results),
        "compare": comparison.sentences(results),
    }
    return {
        "name": stage,
        "does": "what was planted, and what of it was found again" if stage == "simulate" else BY_NAME[stage].does,
        "settings": [(key, provenance.show(value)) for key, value in results.settings(stage).items()],
        "warnings": content["warnings"].get(stage, []),
        "sentences": list(said.get(stage, [])),
        "figures": figures,
        "tables": [tables.for_page(table) for table in content["tables"] if table.stage == stage],
    }
