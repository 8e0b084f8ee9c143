"""minimac4, the successor of the paper's Minimac3 (Das et al. 2016): imputes phased people from a panel.

It stops on missing calls, so the people come phased and filled, and are imputed again: a typed call is weighed against
the panel's haplotypes around it. Taking those dosages for the missing calls is better than its leave-one-out dosages,
which forget what the phasing made of the call (docs/decisions).
"""

import contextlib
import shlex
from pathlib import Path

import numpy as np
import pandas as pd

from gcamccl.genotype_qc.plink import ToolError, run
from gcamccl.impute.genetic_map import write_plink_map
from gcamccl.impute.vcf import names_of, read_dosages, to_bcf
from gcamccl.workflow.errors import InputError

MSAV = ".msav"  # its own compressed panel, which nothing else reads
BUFFER = 200  # people it imputes before it writes temporary files; its own default
# What it says of a reference with another name for the chromosome, and of one that is none.
OTHER_NAME = "does not contain chromosome"
NO_INDEX = "could not load reference file index"


def compress(panel, limit_s=None):
    """Compress a phased VCF of ours for minimac4; returns the reference's path."""
    reference = panel.with_suffix(MSAV)
    run(["minimac4", "--compress-reference", to_bcf(panel), "--output", reference], limit_s=limit_s)
    return reference


def check_reference(reference, chromosome, folder):
    """Name of a chromosome in a compressed reference, ``22``, ``chr22`` or the like.

    Raises
    ------
    InputError
        No such file, not a compressed reference, or none of its names is in it.
    """
    if not Path(reference).is_file():
        raise InputError(reference, "no such file")
    probe = folder / "probe.vcf"
    for name in names_of(chromosome):
        probe.write_text(PROBE.format(name), encoding="ascii")
        said = folder / "probe.stdout"
        command = ["minimac4", reference, to_bcf(probe), "--region", f"{name}:1-2", "--output", folder / "probe.out"]
        # It fails on a person with one call in any case; what it says is what matters.
        with contextlib.suppress(ToolError):
            run(command, log=said)
        text = said.read_text(encoding="utf-8")
        if NO_INDEX in text:
            raise InputError(
                reference, "not a compressed reference of minimac4", "make it with minimac4 --compress-reference"
            )
        if OTHER_NAME not in text:
            return name
    raise InputError(reference, f"no variant of chromosome {chromosome}", "give the panel of this chromosome")


PROBE = (
    "##fileformat=VCFv4.2\n##contig=<ID={0}>\n"
    '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">\n'
    "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ts0\n{0}\t1\t.\tA\tC\t.\tPASS\t.\tGT\t0|1\n"
)


def impute(phased, name, options, reference, n_people):
    """Impute phased people again at the SNPs they are typed at.

    Parameters
    ----------
    phased : Path
        VCF of the study, every call phased.
    name : str
        Of its output.
    options : gcamccl.impute.programs.Options
    reference : Path
        Compressed panel.
    n_people : int
        In the study.

    Returns
    -------
    sites : DataFrame
        pos, ref, alt of the typed SNPs that are in the panel.
    dosage : float32 array (sites, people)
        Expected copies of alt.
    r2 : float array (sites,)
        Squared correlation of the given and the leave-one-out dosages (its ER2).
    """
    folder = phased.parent
    command = ["minimac4", reference, to_bcf(phased), "--output", "/dev/stdout", "--output-format", "ubcf"]
    command += ["--format", "DS", "--region", options.chrom, "--min-ratio", 0]
    command += ["--threads", options.threads, "--temp-buffer", max(BUFFER, n_people)]
    if options.genetic_map is not None:  # else it takes the smallest rate it knows
        write_plink_map(folder / f"{name}.map", options.genetic_map, options.chrom)
        command += ["--map", folder / f"{name}.map"]
    # A compressed reference may hold the whole genome's sites: only the typed ones touch the disk.
    table = folder / f"{name}.tsv"
    query = ["bcftools", "query", "--include", "TYPED=1", "--output", table, "--format"]
    query += ["%POS\\t%REF\\t%ALT\\t%INFO/ER2[\\t%DS]\\n", "-"]
    pipe = " | ".join(shlex.join(map(str, words)) for words in (command, query))
    run(["bash", "-o", "pipefail", "-c", pipe], log=folder / f"{name}.stdout", limit_s=options.limit_s)
    heads, dosage = read_dosages(table, 4, n_people)
    sites = pd.DataFrame(heads, columns=["pos", "ref", "alt", "r2"]).replace({"r2": {".": np.nan}})
    return sites[["pos", "ref", "alt"]].astype({"pos": np.int64}), dosage, sites["r2"].to_numpy(float)
