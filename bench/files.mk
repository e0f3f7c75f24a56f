# Files of bench for make dist.
