"""Nothing of a study, its ids, paths or settings, is run as a command or unpickled, and hostile names are refused."""

import ast
import re
import subprocess
import sys

import pytest

from gcamccl.workflow.artifacts import ROOT
from gcamccl.workflow.config import PAPER, check, merge, read_yaml
from gcamccl.workflow.errors import InputError
from gcamccl.workflow.study import read_participants

CODE = sorted([*(ROOT / "src").rglob("*.py"), *(ROOT / "workflow").rglob("*.py")])
HOSTILE = [
    "; touch pwned",
    "$(touch pwned)",
    "`touch pwned`",
    "../up",
    "-rf",
    "a b",
    "a'b",
    'a"b',
    "a\\b",
    "a|b",
    "é",
    "",
]
FORBIDDEN = ("eval", "exec", "os.system", "os.popen", "yaml.load", "torch.load", "joblib.load", "pd.read_pickle")
# Placeholders of shell commands that stand there without :q. Lists of options, each word quoted where they are made:
MADE = {"people", "folders", "given", "lookup", "nominations", "panel", "train", "truth", "background"}
# Numbers, and words of a list that the schema or a wildcard's pattern (rules/common.smk) allows:
NUMBERS = {"at_once", "bounds", "halvings", "minutes", "permutations", "mem_mb", "runtime", "threads", "chrom"}
WORDS = {"chromosomes", "device", "views", "method", "participant"}


def calls(tree):
    """Names of all functions that a module calls, dotted, with the call."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


@pytest.mark.parametrize("path", CODE, ids=[str(path.relative_to(ROOT)) for path in CODE])
def test_no_code_runs_or_unpickles_what_it_reads(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not imported & {"pickle", "dill", "shelve", "marshal", "cloudpickle"}
    for name, node in calls(tree):
        assert name not in (
            "eval",
            "exec",
            "os.system",
            "os.popen",
            "yaml.load",
            "torch.load",
            "joblib.load",
            "pd.read_pickle",
        ), name
        words = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
        assert words.get("shell", "False") == "False", name
        assert words.get("allow_pickle", "False") == "False", name


def test_shell_commands_quote_what_they_are_given():
    """Each {placeholder} has :q, or is quoted where it is made."""
    unquoted = set()
    for path in sorted((ROOT / "rules").glob("*.smk")):
        for command in re.findall(r"shell:\n((?:\s+\".*\"\n)+)", path.read_text()):
            for name in re.findall(r"\{([^}]+)\}", command):
                if not name.endswith(":q"):
                    unquoted.add(name.split(".")[-1].split("[")[0])
    assert unquoted == MADE | NUMBERS | WORDS


@pytest.mark.parametrize("column", ["participant_id", "genotype_id", "site", "family_id"])
@pytest.mark.parametrize("name", [name for name in HOSTILE if name])
def test_hostile_ids_are_refused(tmp_path, column, name):
    row = {"participant_id": "sub-1", "score": "1"} | {column: name.replace('"', '""')}
    text = "\t".join(row) + "\n" + "\t".join(f'"{value}"' for value in row.values()) + "\n"
    (tmp_path / "people.tsv").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="line 2"):
        read_participants(tmp_path / "people.tsv")


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_of_runs_are_refused(name):
    with pytest.raises(InputError, match=r"run\.name"):
        check(merge(read_yaml(PAPER), {"study": {"simulated": True}, "run": {"name": name}}))


def test_files_get_what_the_umask_gives(tmp_path):
    """Also those that a library writes for its owner alone."""
    code = (
        "import os; os.umask(0o027)\n"
        "from argparse import Namespace\nfrom pathlib import Path\nfrom gcamccl.workflow import job\n"
        f"args = Namespace(stage='cohort', recipe=None, settings=None, out=Path({str(tmp_path)!r}) / 'out')\n"
        "with job.run(args) as run:\n"
        "    path = run.path('a.txt'); path.touch(mode=0o600); path.write_text('a')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "out").iterdir()} == {0o640}
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o750
