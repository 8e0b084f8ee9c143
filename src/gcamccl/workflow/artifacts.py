"""Artifact keys: which settings, inputs and code a result belongs to (docs/artifacts.md)."""

import ast
import hashlib
import json
import os
from functools import cache
from pathlib import Path

from gcamccl.atlas import atlas_files
from gcamccl.workflow.errors import InputError
from gcamccl.workflow.files import sha256
from gcamccl.workflow.stages import BY_NAME, MODALITIES, taking_part

# Of the study section: what a simulated study, whose other files are made, is given too.
CHOICES = ("chromosomes", "background_genes", "symbol_updates")
KEY_DIGITS = 12
ATLAS = "resources/power264.tsv"
SOURCES = "GCAMCCL_SOURCES"  # of the environment: digest of the code when the workflow was planned
PACKAGE = Path(__file__).resolve().parents[1]
ROOT = PACKAGE.parents[1]
MACHINERY = "gcamccl.workflow"  # configuration, files, jobs: what is computed does not depend on it


def digest(value):
    """First `KEY_DIGITS` hex digits of the SHA-256 of `value` as canonical JSON (keys sorted)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:KEY_DIGITS]


def _without_docstrings(tree):
    """Drop docstrings: like comments, they change no result."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body = node.body[1:] or [ast.Pass()]
    return tree


@cache
def _parsed(path):
    """Normalised source of a Python file and the absolute names it imports.

    The source is rebuilt from the syntax tree, so comments, formatting and docstrings do not count.
    """
    tree = _without_docstrings(ast.parse(path.read_text(encoding="utf-8"), filename=str(path)))
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            raise SyntaxError(f"{path}:{node.lineno}: relative import; the code digest follows absolute ones")
    return ast.unparse(tree), frozenset(names)


def _module_files(name, package):
    """Files that importing `name` runs: every parent package's ``__init__`` and the module itself."""
    parts = name.split(".")
    if parts[0] != package.name or name == MACHINERY or name.startswith(MACHINERY + "."):
        return
    folder = package
    yield folder / "__init__.py"
    for part in parts[1:]:
        if (folder / part / "__init__.py").exists():
            folder = folder / part
            yield folder / "__init__.py"
        else:
            if (folder / f"{part}.py").exists():
                yield folder / f"{part}.py"
            return


def code_files(scripts, root=ROOT, package=PACKAGE):
    """Files of the project that `scripts` run, found by walking their imports.

    Parameters
    ----------
    scripts : iterable of str
        Names in ``workflow/scripts``, without ``.py``.

    Returns
    -------
    list of Path
        Sorted; the scripts themselves included.
    """
    todo = [root / "workflow" / "scripts" / f"{script}.py" for script in scripts]
    seen = set()
    while todo:
        path = todo.pop()
        if path in seen:
            continue
        seen.add(path)
        for name in _parsed(path)[1]:
            todo.extend(_module_files(name, package))
    return sorted(seen)


def code_digest(scripts, root=ROOT, package=PACKAGE):
    """Digest of the syntax trees of all code that `scripts` run inside the project."""
    files = code_files(scripts, root, package)
    return digest([[str(path.relative_to(root)), _parsed(path)[0]] for path in files])


def sources_digest(root=ROOT, package=PACKAGE):
    """Digest of all the project's Python files as they are, comments included.

    Returns
    -------
    str
        While it is the same, so is every `code_digest`. As nothing is parsed it takes some ms, not a tenth of a second.
    """
    paths = sorted([*package.rglob("*.py"), *(root / "workflow" / "scripts").glob("*.py")])
    # Names with a dot are an editor's own, some of them links to nowhere.
    return digest([[str(path.relative_to(root)), _content(path)] for path in paths if not path.name.startswith(".")])


def _content(path):
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return None  # went since it was listed


def announce_sources():
    """Let the jobs that this process, Snakemake, will start know the code from which it plans: call it before."""
    os.environ[SOURCES] = sources_digest()


def participants_digest(participants, columns):
    """Digest of the participants' rows, restricted to the columns a stage reads."""
    return digest([[row.get(column) for column in columns] for row in participants])


def recipes(config, participants=None, modalities=MODALITIES):
    """Everything each stage's key depends on, of the stages that take part.

    Parameters
    ----------
    config : dict
        Validated configuration, every key filled in.
    participants : list of dict, optional
        Rows of the participants table; None for a simulated study (its key says all about its people).
    modalities : sequence of str
        What the study has (`gcamccl.workflow.modalities.of_study`). Stages about others are absent, from the result
        and from the recipes of those that would read them.

    Returns
    -------
    dict of str to dict
        Stage name -> ``{"stage", "settings", "study", "upstream", "participants", "shipped", "code"}``. `digest` of a
        recipe is the stage's key.
    """
    simulated = config["study"]["simulated"]
    result, keys = {}, {}
    for stage in map(BY_NAME.get, taking_part(modalities, simulated)):
        reads_inputs = bool(stage.study or stage.participants) or stage.name == "preprocess"
        needs = tuple(need for need in stage.needs if need in keys)
        needs += ("simulate",) if simulated and reads_inputs and stage.name != "simulate" else ()
        recipe = {
            "stage": stage.name,
            "settings": config[stage.name],
            "study": {} if simulated else {key: config["study"][key] for key in stage.study},
            "upstream": {need: keys[need] for need in needs},
            "participants": participants_digest(participants, stage.participants)
            if participants is not None and stage.participants
            else None,
            "shipped": {name: sha256(path)[:KEY_DIGITS] for name, path in _tables(stage, config).items()},
            "code": code_digest(stage.scripts),
        }
        recipe["study"] |= {key: config["study"][key] for key in CHOICES if key in stage.study}
        result[stage.name] = recipe
        keys[stage.name] = digest(recipe)
    return result


def _tables(stage, config):
    """Files other than code that a stage's key depends on, by name: the shipped ones, or the study's own atlas."""
    atlas = config["preprocess"]["atlas"]
    paths = {name: ROOT / name for name in stage.shipped}
    if ATLAS in paths and stage.name != "simulate" and atlas != "power264":
        del paths[ATLAS]
        files = atlas_files(atlas)
        if not files[0].is_file():
            raise InputError("preprocess.atlas", f"no such file {atlas}", "use power264, a table or a label image")
        paths |= {f"atlas{''.join(path.suffixes)}": path for path in files}
    return paths


def check_recipe(recipe, folder):
    """Recompute a job's key from its recipe and the code on disk; stop if it does not belong in `folder`.

    Where all code is as `announce_sources` found it, the recipe's own digest of it is right.

    Raises
    ------
    InputError
        The code or the recipe changed after the workflow was planned.
    """
    stage = BY_NAME[recipe["stage"]]
    unchanged = os.environ.get(SOURCES) == sources_digest()
    key = digest(recipe if unchanged else recipe | {"code": code_digest(stage.scripts)})
    if key not in Path(folder).resolve().parts:
        raise InputError(
            folder,
            f"this job's settings and code belong to {stage.name}/{key}",
            "the code changed after the workflow was planned: start snakemake again",
        )
    return key
