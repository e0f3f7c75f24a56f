# Files of doc for make dist.
