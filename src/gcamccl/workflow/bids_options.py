"""Options of ``gcamccl study``."""

import argparse
from pathlib import Path

from gcamccl.workflow import bids_people, bids_scans
from gcamccl.workflow.bids_study import Request
from gcamccl.workflow.errors import InputError

DESCRIPTION = """Write the participants table of a study from a BIDS dataset, from fMRIPrep's output, or from both.

With both, people enter with fMRIPrep's output where they have one, else with their raw scans. Where somebody has more
than one scan that fits, nothing is chosen: an error names what differs and the option to give.
"""
EXAMPLES = f"""examples:
  gcamccl study --bids data/bids --task nback --score wrat --out data/participants.tsv
  gcamccl study --bids data/bids --fmriprep data/fmriprep --task nback --session baseline --run 1 \\
      --space MNI152NLin2009cAsym --phenotype data/bids/phenotype/wrat.tsv --score wrat_std \\
      --genotype-id dbgap_id --out data/participants.tsv
  gcamccl study --fmriprep data/fmriprep --task rest --entity res=2 --out data/participants.tsv
  gcamccl study --bids data/bids --task rest --entity acq={bids_scans.ABSENT} --t1w run=1 --column site=scanner \\
      --out data/participants.tsv
"""


def _choice(text):
    """argparse type for KEY=VALUE with an entity."""
    try:
        return bids_scans.choice(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _column(text):
    """argparse type for NAME=COLUMN with a column of the project's table."""
    name, separator, column = text.partition("=")
    if not (separator and column and name in bids_people.TAKEN):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=COLUMN with NAME one of {', '.join(bids_people.TAKEN)}")
    return name, column


def add_to(commands):
    """Add the command ``study`` to argparse's subparsers."""
    parser = commands.add_parser(
        "study",
        help="write the participants table from a BIDS dataset or fMRIPrep's output",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--bids", type=Path, metavar="DIR", help="BIDS dataset, with folders sub-*")
    parser.add_argument("--fmriprep", type=Path, metavar="DIR", help="fMRIPrep's output, with folders sub-*")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the table to write, TSV")
    parser.add_argument("--force", action="store_true", help="replace the table if it exists")
    scans = parser.add_argument_group(f"which scan; VALUE {bids_scans.ABSENT}: names without that entity")
    scans.add_argument("--task", metavar="VALUE", help="task, e.g. nback for task-nback")
    scans.add_argument("--session", metavar="VALUE", help="session, e.g. baseline for ses-baseline")
    scans.add_argument("--run", metavar="VALUE", help="run, e.g. 1 for run-1 or run-01")
    scans.add_argument("--space", metavar="VALUE", help="fMRIPrep: space, e.g. MNI152NLin2009cAsym")
    scans.add_argument(
        "--entity",
        action="append",
        type=_choice,
        default=[],
        metavar="KEY=VALUE",
        help="any other part of the BOLD scan's name, e.g. acq=highres, echo=2, res=2; repeatable",
    )
    scans.add_argument(
        "--t1w",
        action="append",
        type=_choice,
        default=[],
        metavar="KEY=VALUE",
        help="part of the T1w scan's name, e.g. run=1; repeatable. Without ses=, that of the BOLD scan's session is "
        "taken where there is one",
    )
    columns = parser.add_argument_group("columns of the dataset's participants.tsv or of --phenotype")
    columns.add_argument("--score", metavar="COLUMN", help="score that makes the high and the low group")
    columns.add_argument("--genotype-id", metavar="COLUMN", help="ids (IID) in the PLINK files")
    columns.add_argument(
        "--column",
        action="append",
        type=_column,
        default=[],
        metavar="NAME=COLUMN",
        help=f"column to take {', '.join(bids_people.TAKEN)} from, e.g. sex=gender; {bids_scans.ABSENT}: leave it out. "
        "Default: the column of that name in participants.tsv; repeatable",
    )
    columns.add_argument(
        "--phenotype",
        action="append",
        type=Path,
        default=[],
        metavar="FILE",
        help="TSV with participant_id, e.g. phenotype/wrat.tsv; comes before participants.tsv; repeatable",
    )


def _dict(pairs, option):
    """Pairs as a dict; an InputError where a key is given twice with different values."""
    result = {}
    for key, value in pairs:
        if result.setdefault(key, value) != value:
            raise InputError(option, f"{key} is given as {result[key]} and as {value}", "keep one of them")
    return result


def request(args):
    """The request that parsed arguments make."""
    plain = {"task": args.task, "ses": args.session, "run": args.run, "space": args.space}
    try:
        pairs = [bids_scans.choice(f"{key}={value}") for key, value in plain.items() if value is not None]
    except ValueError as error:
        raise InputError("gcamccl study", str(error)) from None
    asked = {name: (column, f"--column {name}") for name, column in _dict(args.column, "--column").items()}
    if args.score is not None:
        asked["score"] = args.score, "--score"
    if args.genotype_id is not None:
        asked["genotype_id"] = args.genotype_id, "--genotype-id"
    return Request(
        out=args.out,
        bids=args.bids,
        fmriprep=args.fmriprep,
        wanted=_dict([*pairs, *args.entity], "--entity"),
        wanted_t1w=_dict(args.t1w, "--t1w"),
        phenotypes=tuple(args.phenotype),
        asked=asked,
        force=args.force,
    )
