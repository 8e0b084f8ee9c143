"""Fetch the public files that a real study needs, or check those that are already in the folder."""

import argparse
import sys
from pathlib import Path

from gcamccl.resources import manifest
from gcamccl.workflow.config import PAPER, read_yaml
from gcamccl.workflow.errors import InputError

EXAMPLES = """examples:
  python workflow/scripts/resources.py --list
  python workflow/scripts/resources.py --only gtex_v8 genetic_map --to /data/public
  python workflow/scripts/resources.py --only panel --chromosomes 21 22

It goes on where it stopped: run it again after a failure. A proxy is taken from HTTPS_PROXY. Without internet: fetch on
another machine, copy the folder, run it here to check the files (resources/README.md).
"""


def build_parser():
    """Argument parser of the program."""
    study = read_yaml(PAPER)
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--list", action="store_true", help="list the sets and stop")
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="SET", help="sets to fetch (default: those listed as such)"
    )
    parser.add_argument(
        "--to",
        type=Path,
        default=Path(study["resources"]["folder"]),
        metavar="DIR",
        help="folder for the files (default: %(default)s)",
    )
    parser.add_argument(
        "--chromosomes",
        nargs="+",
        type=int,
        choices=range(1, 23),
        default=study["study"]["chromosomes"],
        metavar="N",
        help="of the reference panel (default: 1 to 22)",
    )
    parser.add_argument("--reread", action="store_true", help="read files of earlier runs again and compare checksums")
    parser.add_argument("--manifest", type=Path, default=manifest.MANIFEST, help=argparse.SUPPRESS)
    return parser


def listing(sets):
    """Lines that say what the sets are."""
    for name, group in sets.items():
        sizes = [size for entry in group["files"] for size in [entry.get("size_mb")] if isinstance(size, int | float)]
        known = len(sizes) == len(group["files"])
        yield f"{name}{'' if group['default'] else '  (not by default)'}"
        yield f"    {group['what']}"
        yield f"    {group['version']}; {group['terms']}" + (f"; {sum(sizes):g} MB" if known else "")


def say(text):
    """One line of progress, at once."""
    print(text, flush=True)


def main():
    """Read arguments, fetch, say what to write into the configuration."""
    args = build_parser().parse_args()
    try:
        sets = manifest.read_manifest(args.manifest)
        if args.list:
            say("\n".join(listing(sets)))
            return
        import requests

        from gcamccl.resources.fetch import fetch_all

        names = manifest.choose(sets, args.only)
        with requests.Session() as session:
            problems = fetch_all(
                manifest.resources(sets, names, args.chromosomes), args.to, session, say=say, reread=args.reread
            )
    except InputError as error:
        sys.exit(_failed([error]))
    if problems:
        sys.exit(_failed(problems))
    say(f"\nAll there. For the study's configuration:\n\n{manifest.study_lines(sets, names, args.to)}")
    say("\nPlease cite:\n" + "\n".join(f"  {name}: {sets[name]['cite']}" for name in names))


def _failed(problems):
    """Print each problem once; returns the exit status."""
    for error in problems:
        print(f"ERROR: {error}", file=sys.stderr, flush=True)
    return 2


if __name__ == "__main__":
    main()
