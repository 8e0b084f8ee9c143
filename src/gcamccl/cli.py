"""The ``gcamccl`` command: begin a study, look at runs, ask Enrichr, tidy up. The pipeline runs with snakemake."""

import argparse
import os
import sys
from pathlib import Path

from gcamccl import __version__
from gcamccl.workflow import bids_options, bids_study, runs
from gcamccl.workflow.errors import InputError

EXAMPLES = """examples:
  gcamccl study --bids data/bids --task nback --score wrat --out data/participants.tsv
                                   participants table from a BIDS dataset; more: gcamccl study --help
  gcamccl runs                     list the runs in results/
  gcamccl show demo                report and main tables of the run "demo"
  gcamccl diff demo demo_strict    which settings, inputs and results differ
  gcamccl diff demo demo_strict --page diff.html
                                   the same as a page: settings, exclusions, results and figures side by side
  gcamccl verify demo              read every file of a run again: is it what its job wrote?
  gcamccl verify demo --repair     remove what is not; snakemake then makes it again
  gcamccl export demo --out demo.zip
                                   report, tables and records as an archive (RO-Crate)
  gcamccl enrichr --genes results/latest/threshold/genes_confirmed.txt --libraries KEGG_2021_Human --out enrichr.tsv
                                   ask Enrichr's web service
  gcamccl prune                    artifacts that no run refers to
  gcamccl prune --yes              remove them
"""


def build_parser():
    """Argument parser of the command."""
    parser = argparse.ArgumentParser(
        prog="gcamccl",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"gcamccl {__version__}")
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="default: results")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    bids_options.add_to(commands)
    commands.add_parser("runs", help="list the runs")
    show = commands.add_parser("show", help="where a run's report and main tables are")
    show.add_argument("run")
    diff = commands.add_parser("diff", help="what differs between two runs")
    diff.add_argument("first")
    diff.add_argument("second")
    diff.add_argument("--page", type=Path, metavar="FILE", help="write them side by side as an HTML page")
    verify = commands.add_parser("verify", help="read a run's files again and compare them with their records")
    verify.add_argument("run", nargs="?", help="default: the latest")
    verify.add_argument(
        "--repair", action="store_true", help="remove what is not, with all made of it; snakemake makes it again"
    )
    export = commands.add_parser("export", help="a run as a portable archive, described as an RO-Crate")
    export.add_argument("run")
    export.add_argument("--out", type=Path, required=True, metavar="FILE.zip")
    export.add_argument(
        "--all",
        action="store_true",
        help="every file; without it only records of stages whose files hold genotypes, scans or predictions of people",
    )
    export.add_argument("--license", metavar="TEXT", help="terms under which others may use it: a URL or words")
    ask = commands.add_parser("enrichr", help="ask Enrichr's web service about genes; they leave the machine")
    ask.add_argument("--genes", type=Path, required=True, metavar="FILE", help="one symbol a line")
    ask.add_argument("--libraries", nargs="+", required=True, metavar="NAME", help="as on Enrichr's page")
    ask.add_argument("--out", type=Path, required=True, metavar="FILE", help="table, TSV")
    prune = commands.add_parser("prune", help="list artifacts that no run refers to")
    prune.add_argument("--yes", action="store_true", help="remove them")
    return parser


def list_runs(results):
    """Print each run with the time it was linked and its stages' keys."""
    latest = results / "latest"
    current = latest.resolve().name if latest.exists() else None
    for name in runs.known(results):
        run = runs.read(results, name)
        state = "" if run["complete"] else "  (not complete)"
        print(f"{name}{'  (latest)' if name == current else ''}{state}  {run['linked']}")
        for stage, key in run["keys"].items():
            print(f"    {stage:<14}{key}")
    if not runs.known(results):
        print(f"no runs in {results}")


def show_diff(results, first, second):
    """Print a line for each difference between two runs."""
    rows = runs.differences(results, first, second)
    if not rows:
        print(f"{first} and {second} are the same")
    for stage, what, left, right in rows:
        print(f"{stage:<14}{what}: {left} -> {right}")


def check_files(results, name, mend):
    """Print what is not as recorded in a run, and remove it if `mend`; else exit status 1 if anything is not."""
    from gcamccl.workflow import verify

    if name is None:
        latest = results / "latest"
        if not latest.exists():
            raise InputError(latest, "no run is complete", "name one; gcamccl runs lists them")
        name = latest.resolve().name
    n_files, n_bytes, faults = verify.verify(results, name, print)
    for fault in faults:
        print(f"{fault.what}: {fault.path}")
    print(f"{name}: {n_files} files, {n_bytes / 1e6:.1f} MB, {len(faults)} not as recorded")
    if faults and not mend:
        sys.exit(1)
    if faults:
        for folder in verify.repair(results, name, faults):
            print(f"removed: {folder}")
        print("start snakemake again: it makes what was removed, and nothing else")


def export_run(results, name, out, everything, license):
    """Write a run's archive and say how large it is."""
    from gcamccl.workflow.export import export

    n_files, n_bytes = export(results, name, out, everything, license, print)
    print(f"{out}: {n_files} files, {n_bytes / 1e6:.1f} MB before compression, {out.stat().st_size / 1e6:.1f} MB")


def ask_enrichr(genes, libraries, out):
    """Write what Enrichr says of the genes of a file."""
    from gcamccl.enrichment import gmt
    from gcamccl.enrichment.online import enrichr
    from gcamccl.workflow.files import write_tsv

    own = gmt.read_genes(genes, gmt.read_updates())
    table = enrichr(own, libraries)
    write_tsv(out, table)
    print(
        f"{len(own)} genes, {len(table)} sets hold one of them; q is over these alone, p against all genes of Enrichr"
    )


def prune(results, remove):
    """List artifacts no run refers to; remove them if `remove`."""
    found = runs.unreferenced(results)
    if remove and any((results.parent / ".snakemake" / "locks").glob("*")):
        raise InputError(results.parent / ".snakemake/locks", "a Snakemake run is going on", "wait until it has ended")
    for folder, size in found:
        print(f"{size / 1e6:10.1f} MB  {folder}")
    total = sum(size for _, size in found) / 1e6
    if remove:
        runs.remove(folder for folder, _ in found)
        print(f"removed {len(found)} artifacts, {total:.1f} MB")
    else:
        print(
            f"{len(found)} artifacts, {total:.1f} MB, that no run refers to" + ("; remove with --yes" if found else "")
        )


def main(arguments=None):
    """Run the command; input errors are one line on stderr and exit status 2."""
    args = build_parser().parse_args(arguments)
    try:
        if args.command == "study":
            print("\n".join(bids_study.write(bids_options.request(args))))
        elif args.command == "runs":
            list_runs(args.results)
        elif args.command == "show":
            runs.read(args.results, args.run)
            print(runs.where_to_look(args.results, args.run))
        elif args.command == "verify":
            check_files(args.results, args.run, args.repair)
        elif args.command == "export":
            export_run(args.results, args.run, args.out, args.all, args.license)
        elif args.command == "enrichr":
            ask_enrichr(args.genes, args.libraries, args.out)
        elif args.command == "diff":
            if args.page:
                from gcamccl.report.two_runs import write_page

                write_page(args.results, args.first, args.second, args.page)
                print(args.page)
            else:
                show_diff(args.results, args.first, args.second)
        else:
            prune(args.results, args.yes)
        sys.stdout.flush()
    except InputError as error:
        print(f"ERROR: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:  # of `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        print(f"ERROR: {error.filename2 or error.filename or 'gcamccl'}: {error.strerror or error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
