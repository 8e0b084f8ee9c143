"""Array genotypes: checked, harmonised, merged, quality controlled."""
