"""Beagle 5: phases a chromosome and fills its missing calls (Browning et al. 2021)."""

import os

from gcamccl.genotype_qc.plink import run
from gcamccl.impute.genetic_map import write_plink_map

HEAP_SHARE = 0.7  # of a job's memory; the rest is Java's own and ours
MIN_PEOPLE = 2  # without a panel; it stops with an error on one


def phase(target, name, options, panel=None):
    """Phase; calls that are there stay as they are, missing ones are filled with the likeliest.

    It runs in the folder of its input, on plain names, since its Debian wrapper splits names at spaces.

    Parameters
    ----------
    target : Path
        VCF of the study.
    name : str
        Of its output.
    options : gcamccl.impute.programs.Options
    panel : Path, optional
        Phased VCF in the same folder.

    Returns
    -------
    Path
        Phased VCF.
    """
    folder = target.parent
    command = ["beagle", f"gt={target.name}", f"out={name}", f"seed={options.seed}", f"nthreads={options.threads}"]
    if panel:
        command += [f"ref={panel.name}", "impute=false"]
    if options.genetic_map is not None:  # else it takes 1 cM per Mb
        write_plink_map(folder / f"{name}.map", options.genetic_map, options.chrom)
        command.append(f"map={name}.map")
    environment = dict(os.environ, JAVA_TOOL_OPTIONS=f"-Xmx{int(options.memory_mb * HEAP_SHARE)}m")
    run(command, log=folder / f"{name}.stdout", env=environment, folder=folder)
    return folder / f"{name}.vcf.gz"
