# Files of sql for make dist.
