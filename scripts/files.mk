# Files of scripts for make dist.
