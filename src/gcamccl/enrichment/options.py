"""Arguments that the programs of the stage share."""

from pathlib import Path


def add_to(parser):
    """Add ``--gene-sets`` and ``--symbol-updates``."""
    parser.add_argument(
        "--gene-sets", type=Path, required=True, nargs="*", metavar="GMT", help="gene sets, .gmt or .gmt.gz"
    )
    parser.add_argument(
        "--symbol-updates",
        type=Path,
        nargs="*",
        metavar="FILE",
        help="outdated symbols (old, new; or HGNC's complete set); default: the shipped table",
    )
