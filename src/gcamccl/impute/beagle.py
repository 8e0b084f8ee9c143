"""Beagle 5: phases a chromosome and fills its missing calls (Browning et al. 2021)."""

import os

import numpy as np

from gcamccl.genotype_qc.plink import run
from gcamccl.impute.genetic_map import centimorgans, write_plink_map

HEAP_SHARE = 0.7  # of a job's memory; the rest is Java's own and ours
WINDOW_CM = 40  # its window by default
WHOLE_CM = 1000  # more than any chromosome has, so all of it is one window
MIN_PEOPLE = 2  # without a panel; it stops with an error on one


def phase(target, name, options, panel=None, positions=()):
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
    positions : int array, optional
        Of the study's SNPs, ascending.

    Returns
    -------
    Path
        Phased VCF.
    """
    folder = target.parent
    command = ["beagle", f"gt={target.name}", f"out={name}", f"seed={options.seed}", f"nthreads={options.threads}"]
    if panel:
        command += [f"ref={panel.name}", "impute=false"]
    gaps = np.diff(centimorgans(positions, options.genetic_map))
    if gaps.max(initial=0.0) > WINDOW_CM / 2:  # it stops with an error where a window holds a single position
        command.append(f"window={WHOLE_CM}")
    if options.genetic_map is not None:  # else it takes 1 cM per Mb
        write_plink_map(folder / f"{name}.map", options.genetic_map, options.chrom)
        command.append(f"map={name}.map")
    environment = dict(os.environ, JAVA_TOOL_OPTIONS=f"-Xmx{int(options.memory_mb * HEAP_SHARE)}m")
    run(command, log=folder / f"{name}.stdout", env=environment, folder=folder, limit_s=options.limit_s)
    return folder / f"{name}.vcf.gz"
