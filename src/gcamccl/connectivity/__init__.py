"""Stage `connectivity`: cleaned ROI series, ROI x ROI correlation, exclusions, the group's stack."""
