"""Studies with planted truth, in the real input formats."""
