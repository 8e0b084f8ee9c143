"""gCAM-CCL: from scans and SNP arrays to classified groups, connections, SNPs and pathways."""

__version__ = "0.1.0"
