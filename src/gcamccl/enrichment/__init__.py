"""Gene sets over-represented among the selected genes (section III-D, Tables VII and VIII)."""
