"""Machinery: configuration, artifacts, jobs. Holds no science, so it is not part of any artifact's key."""
