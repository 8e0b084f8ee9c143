"""Makes the whole report: tables, figures, page."""

from dataclasses import replace

from gcamccl.report import checks, figure_list, maps, page, summary, tables, truth
from gcamccl.report.figures import style
from gcamccl.report.pseudonyms import in_their_order
from gcamccl.workflow.files import write_text, write_tsv


def build(results, title, path, say=print):
    """Write ``report.html``, ``figures/*.{png,svg}`` and ``tables/*.tsv``.

    Parameters
    ----------
    results : gcamccl.report.collect.Results
    title : str
        Heading of the page.
    path : callable
        Name of an output -> Path to write it to.
    say : callable
        Told one line of progress at a time.
    """
    say("reading activation maps")
    summaries = maps.summarise(results.folders["activation"], results.replicates)
    planted, recovered = None, []
    if results.truth is not None:
        planted = truth.recovery(results, results.settings("threshold").get("fdr_q", 0.1))
        recovered = truth.sentences(planted, results.truth)

    made = tables.build(results, planted)
    if results.pseudonymous:
        made = [replace(one, shown=in_their_order(one.shown), full=in_their_order(one.full)) for one in made]
    for table in made:
        write_tsv(path(f"tables/{table.name}.tsv"), table.full)
    say(f"{len(made)} tables written")

    figures = []
    with style.styled():
        for name, drawing, note in figure_list.drawings(results, summaries, planted):
            stage, heading = figure_list.FIGURES[name]
            png, svg = path(f"figures/{name}.png"), path(f"figures/{name}.svg")
            style.save(drawing, png, svg)
            caption = figure_list.caption(name)
            figures.append(figure_list.Figure(name, stage, heading, caption, note, png.read_bytes()))
            say(f"figure {name}")

    sentences = summary.sentences(results)
    if recovered:
        sentences.append(("Planted truth", " ".join(recovered[:4]), False))  # connections and SNPs
    content = {
        "summary": sentences,
        "warnings": checks.warnings(results, summaries),
        "figures": figures,
        "tables": made,
        "recovered": recovered,
    }
    write_text(path("report.html"), page.render(title, results, content))
