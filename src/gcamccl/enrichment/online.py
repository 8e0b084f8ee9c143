"""Enrichr's web service, for a look at libraries that are not on disk. The genes leave the machine."""

import pandas as pd

from gcamccl.workflow.errors import InputError

COLUMNS = ("source", "gene_set", "set_size", "contained", "p", "q", "genes")


def enrichr(genes, libraries):
    """Ask Enrichr (Xie et al. 2021) through gseapy.

    Its p are against all genes that Enrichr knows of, and its q over the sets of a library that hold one of the genes:
    both smaller than those of `gcamccl.enrichment.overrepresentation` on the same sets.

    Parameters
    ----------
    genes : set of str
    libraries : list of str
        Names as on Enrichr's page, e.g. ``KEGG_2021_Human``.

    Returns
    -------
    DataFrame
        Columns `COLUMNS`; one row a set that holds one of the genes, smallest p first.

    Raises
    ------
    InputError
        The service cannot be reached or does not know a library.
    """
    import gseapy

    if not genes:
        return pd.DataFrame(columns=list(COLUMNS))
    try:
        found = gseapy.enrichr(gene_list=sorted(genes), gene_sets=list(libraries), outdir=None, no_plot=True).results
    except Exception as error:  # gseapy raises plain Exception for what the service says
        line = " ".join(str(error).split())[:200]
        raise InputError("Enrichr", f"no answer: {line}", "use GMT files; snakemake resources fetches some") from None
    if not isinstance(found, pd.DataFrame):
        raise InputError("Enrichr", f"nothing of {', '.join(libraries)}", "are they names of Enrichr's libraries?")
    counts = found["Overlap"].astype(str).str.split("/", expand=True).astype(int)
    table = pd.DataFrame(
        {
            "source": found["Gene_set"],
            "gene_set": found["Term"],
            "set_size": counts[1],
            "contained": counts[0],
            "p": found["P-value"].astype(float),
            "q": found["Adjusted P-value"].astype(float),
            "genes": found["Genes"].str.replace(";", ","),
        }
    )
    return table.sort_values(["p", "source", "gene_set"])[list(COLUMNS)].reset_index(drop=True)
