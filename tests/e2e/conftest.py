"""One finished run of the tiny study, shared by all end-to-end tests."""

import pytest
from project import Project


@pytest.fixture(scope="session")
def project(tmp_path_factory):
    """The tiny study, run once from nothing to the report."""
    project = Project(tmp_path_factory.mktemp("project"))
    done = project.snakemake()
    assert done.returncode == 0, done.stdout[-8000:]
    project.output = done.stdout
    return project
