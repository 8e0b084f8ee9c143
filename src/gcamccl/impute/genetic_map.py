"""Genetic maps in the layouts people have them in, written as each program wants them."""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
import pandas as pd

from gcamccl.impute.vcf import GZIP
from gcamccl.workflow.errors import InputError

LAYOUTS = "PLINK (chromosome, id, cM, bp), SHAPEIT ('pos chr cM' with that header) or Eagle (chr, position, rate, cM)"
# Column numbers of chromosome, bp and cM.
CM_PER_MB = 1.0  # what Beagle and SHAPEIT4 take without a map
# Mean cM per Mb of a map beyond which its numbers are no cM: the sex-averaged human autosomes have 0.9 to 2.1, females
# 1.6 times that (Kong et al. 2002). Over fewer Mb hotspots and centromeres make any rate possible.
RATES, ENOUGH_BP = (0.1, 10.0), 10_000_000
MAX_CM = 1000.0  # chromosome 1 has 280
PLINK, SHAPEIT, EAGLE = (0, 3, 2), (1, 0, 2), (0, 1, 3)


def read_map(path, chromosome):
    """Read a genetic map of one chromosome; plain or gzipped.

    Parameters
    ----------
    path : str or Path
        PLINK layout without header; SHAPEIT's, header ``pos chr cM``; or Eagle's, header ``chr position
        COMBINED_rate(cM/Mb) Genetic_Map(cM)``.
    chromosome : int or str
        Which one; ``chr`` before it does not matter.

    Returns
    -------
    DataFrame
        pos (bp, int64), cm (float64); positions ascend strictly, cM do not fall.

    Raises
    ------
    InputError
        No such file, another layout (names the line), no line of this chromosome, or cM that fall or cannot be cM.
    """
    lines = _lines(path)
    layout, first = _layout(lines)
    rows = []
    for number, line in enumerate(lines[first:], start=first + 1):
        fields = line.split()
        if not fields:
            continue
        try:
            if len(fields) != (3 if layout is SHAPEIT else 4):
                raise ValueError
            name, pos, cm = fields[layout[0]], int(fields[layout[1]]), float(fields[layout[2]])
            if not math.isfinite(cm):
                raise ValueError
        except ValueError:
            raise InputError(path, f"line {number} is not of a genetic map: {line[:60]!r}", f"use {LAYOUTS}") from None
        if name.lower().removeprefix("chr") == str(chromosome):
            rows.append((number, pos, cm))
    if not rows:
        raise InputError(path, f"no line of chromosome {chromosome}", "give the map of this chromosome")
    if len(rows) < 2:
        raise InputError(path, f"only one line of chromosome {chromosome}", "a map needs two positions at least")
    table = pd.DataFrame(rows, columns=["line", "pos", "cm"]).sort_values("pos", kind="stable")
    falls = np.flatnonzero(np.diff(table["cm"]) < 0)
    if len(falls):
        line = table["line"].iloc[falls[0] + 1]
        raise InputError(path, f"line {line}: cM fall as the position rises", "give cumulative cM, not a rate")
    _check_rate(path, table)
    return table.drop_duplicates("pos")[["pos", "cm"]].reset_index(drop=True)


def _check_rate(path, table):
    """Raise an InputError if numbers that are no cM stand in their place (morgans, rates, base pairs)."""
    bp, cm = (float(np.ptp(table[name])) for name in ("pos", "cm"))
    rate = cm / (bp / 1e6) if bp else 0.0
    if cm > MAX_CM or (bp >= ENOUGH_BP and not RATES[0] <= rate <= RATES[1]):
        raise InputError(path, f"{cm:g} cM over {bp / 1e6:g} Mb is no genetic map of a human chromosome", "give cM")


def centimorgans(positions, table=None):
    """Places on a genetic map; the ends of the map serve beyond it, and without one 1 cM is 1 Mb.

    Parameters
    ----------
    positions : int array (n,)
        Base pairs.
    table : DataFrame, optional
        From `read_map`.

    Returns
    -------
    float array (n,)
    """
    positions = np.asarray(positions, float)
    return positions / 1e6 * CM_PER_MB if table is None else np.interp(positions, table["pos"], table["cm"])


def _lines(path):
    path = Path(path)
    if not path.is_file():
        raise InputError(path, "no such file")
    try:
        data = path.read_bytes()
        return (gzip.decompress(data) if data.startswith(GZIP) else data).decode("utf-8-sig").splitlines()
    except (EOFError, gzip.BadGzipFile, zlib.error, UnicodeDecodeError) as error:
        raise InputError(path, f"not a readable genetic map: {error}", "copy or download it again") from None


def _layout(lines):
    """Layout of a map and the number of lines before its first entry."""
    first = next((line.lower().split() for line in lines[:1]), [])
    if first == ["pos", "chr", "cm"]:
        return SHAPEIT, 1
    if len(first) == 4 and "map" in first[3] and first[1].startswith("position"):
        return EAGLE, 1
    return PLINK, 0


def write_plink_map(path, table, chrom):
    """Write a map for Beagle and minimac4."""
    _write(path, [f"{chrom} . {cm:.8g} {pos}" for pos, cm in zip(table["pos"], table["cm"], strict=True)])


def write_shapeit_map(path, table, chrom):
    """Write a map for SHAPEIT4."""
    lines = [f"{pos} {chrom} {cm:.8g}" for pos, cm in zip(table["pos"], table["cm"], strict=True)]
    _write(path, ["pos chr cM", *lines])


def _write(path, lines):
    Path(path).write_text("\n".join(lines) + "\n", encoding="ascii")
